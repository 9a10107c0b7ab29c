// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ovsnet/ovsnet/driver"
)

func (p *program) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running daemon how it is",
		Long:  "Ask the running daemon for its connection to Open vSwitch, its last audit, its networks, their peers on other hosts, endpoints and published ports.",
		Args:  cobra.NoArgs,
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	load := p.settings(cmd, "status_socket")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		if cfg.StatusSocket == "" {
			return errors.New("status_socket is none, so the daemon cannot be asked; set it for both")
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), statusTimeout)
		defer cancel()
		text, err := ask(ctx, cfg.StatusSocket, http.MethodGet, statusPath)
		if err != nil {
			return fmt.Errorf("the daemon does not answer at %s: %w; is it running? (docker plugin ls; systemctl status ovsnet)", cfg.StatusSocket, err)
		}
		if *asJSON {
			_, err = p.stdout.Write(text)
			return err
		}
		var s driver.Status
		if err := json.Unmarshal(text, &s); err != nil {
			return fmt.Errorf("the daemon's answer: %w; are daemon and command of one version?", err)
		}
		return printStatus(p.stdout, s)
	}
	return cmd
}

// printStatus writes a status for people: one head, one line a network and one an endpoint.
func printStatus(w io.Writer, s driver.Status) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "ovsnet\t%s, owner mark %s\n", s.Version, s.Owner)
	if s.OVS.Connected {
		fmt.Fprintf(t, "Open vSwitch\tconnected at %s\n", s.OVS.Endpoint)
	} else {
		fmt.Fprintf(t, "Open vSwitch\tNOT connected: %s\n", s.OVS.Error)
	}
	fmt.Fprintf(t, "audit\t%s\n", auditText(s.Audit))
	fmt.Fprintf(t, "process\t%d goroutines, %d files, %d KiB in use\n", s.Process.Goroutines, s.Process.OpenFiles, s.Process.HeapBytes>>10)
	if len(s.Networks) > 0 {
		fmt.Fprint(t, "\nNETWORK\tBRIDGE\tDATAPATH\tMTU\tDRIVER\tSUBNETS\tGATEWAYS\tENDPOINTS\n")
	}
	for _, n := range s.Networks {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%d\n", shortID(n.ID), n.Bridge, n.Datapath, n.MTU, n.Door,
			list(n.Subnets), list(n.Gateways), len(n.Endpoints))
	}
	printPeers(t, s.Networks)
	header := false
	for _, n := range s.Networks {
		for _, e := range n.Endpoints {
			if !header {
				fmt.Fprint(t, "\nENDPOINT\tNETWORK\tPORT\tOFPORT\tMAC\tADDRESSES\tATTACHED\tPORTS\n")
				header = true
			}
			attached := "no"
			if e.Attached {
				attached = "yes"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", shortID(e.ID), shortID(n.ID), e.Port, e.OFPort, e.MAC,
				list(e.Addresses), attached, list(e.Published))
		}
	}
	return t.Flush()
}

// printPeers writes one line for each other host of a network.
func printPeers(w io.Writer, networks []driver.NetworkStatus) {
	header := false
	for _, n := range networks {
		if n.Tunnel == nil {
			continue
		}
		for _, p := range n.Tunnel.Peers {
			if !header {
				fmt.Fprint(w, "\nPEER\tNETWORK\tTUNNEL\tVNI\tSTATE\tLAST FRAME\tKNOWN FROM\n")
				header = true
			}
			last := "never"
			if !p.LastFrame.IsZero() {
				last = p.LastFrame.Local().Format(time.DateTime)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", p.Address, shortID(n.ID), n.Tunnel.Type, n.Tunnel.VNI, p.State, last, list(p.From))
		}
	}
}

// auditText says when the last audit was, whether it could finish, and what has been repaired since the start.
func auditText(a driver.AuditStatus) string {
	if a.Last.IsZero() {
		return "none yet"
	}
	text := "last at " + a.Last.Local().Format(time.DateTime)
	if a.Error != "" {
		text += ", could not finish: " + a.Error
	}
	kinds := make([]string, 0, len(a.Repairs))
	for kind, n := range a.Repairs {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	if len(kinds) == 0 {
		return text + ", nothing had to be repaired"
	}
	slices.Sort(kinds)
	return text + ", repaired since the start: " + strings.Join(kinds, ", ")
}
