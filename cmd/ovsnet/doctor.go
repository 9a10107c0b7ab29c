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

	"github.com/spf13/cobra"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver"
)

// errUnhealthy ends doctor with a status that scripts can see, after everything has been printed.
var errUnhealthy = errors.New("this host has faults")

func (p *program) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this host has all that is needed",
		Long: `Check settings, privileges, Open vSwitch, the datapath, Docker and the daemon's sockets, and say for each
what to do about it. It changes nothing and needs no running daemon. Give it the daemon's own settings. The exit
status is 1 when there is a fault.`,
		Args: cobra.NoArgs,
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	load := p.settings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings := p.examine(cmd.Context(), load)
		if err := printFindings(p.stdout, findings, *asJSON); err != nil {
			return err
		}
		if slices.ContainsFunc(findings, func(f driver.Finding) bool { return f.Level == driver.FindingFault }) {
			return errUnhealthy
		}
		return nil
	}
	return cmd
}

// examine looks at everything; settings that cannot be loaded are the first finding, and the defaults serve for the
// rest.
func (p *program) examine(ctx context.Context, load func() (config.Daemon, error)) []driver.Finding {
	var findings []driver.Finding
	cfg, err := load()
	if err != nil {
		cfg = config.Default()
		for line := range strings.Lines(err.Error()) {
			findings = append(findings, driver.Finding{Level: driver.FindingFault, Topic: "settings", Text: strings.TrimSpace(line)})
		}
	} else {
		findings = append(findings, driver.Finding{Level: driver.FindingOK, Topic: "settings", Text: "can be used"})
	}
	findings = append(findings, driver.Examine(ctx, cfg)...)
	findings = append(findings, p.examineDocker(ctx))
	if cfg.Socket != "" {
		findings = append(findings, examineDoor(ctx, cfg.Socket))
	}
	return append(findings, examineDaemon(ctx, cfg))
}

// dockerSocket is where the engine's API is on this host.
func (p *program) dockerSocket() (string, bool) {
	for _, kv := range p.environ {
		if host, ok := strings.CutPrefix(kv, "DOCKER_HOST="); ok && host != "" {
			return strings.CutPrefix(host, "unix://")
		}
	}
	return "/var/run/docker.sock", true
}

// examineDocker asks the engine for its version.
func (p *program) examineDocker(ctx context.Context) driver.Finding {
	f := driver.Finding{Level: driver.FindingWarning, Topic: "Docker"}
	socket, here := p.dockerSocket()
	if !here {
		f.Level, f.Text = driver.FindingNote, "DOCKER_HOST is no socket of this host: not looked at"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	text, err := ask(ctx, socket, http.MethodGet, "/version")
	var v struct{ Version string }
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		f.Text, f.WayOut = fmt.Sprintf("no engine answers: %v", err), "start docker"
		return f
	}
	f.Level, f.Text = driver.FindingOK, fmt.Sprintf("version %s at %s", v.Version, socket)
	return f
}

// examineDoor asks at the short door what Docker would ask.
func examineDoor(ctx context.Context, socket string) driver.Finding {
	f := driver.Finding{Level: driver.FindingWarning, Topic: "driver socket", WayOut: "start the daemon: docker plugin enable ovsnet, or systemctl start ovsnet"}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	text, err := ask(ctx, socket, http.MethodPost, "/Plugin.Activate")
	var manifest struct{ Implements []string }
	if err == nil {
		err = json.Unmarshal(text, &manifest)
	}
	switch {
	case err != nil:
		f.Text = fmt.Sprintf("nobody answers: %v", err)
	case !slices.Contains(manifest.Implements, "NetworkDriver"):
		f.Level, f.WayOut = driver.FindingFault, "stop the program that owns it, or set socket"
		f.Text = fmt.Sprintf("%s belongs to something that is no network driver", socket)
	default:
		f.Level, f.WayOut, f.Text = driver.FindingOK, "", "answers at "+socket
	}
	return f
}

// examineDaemon asks the running daemon whether its own view is sound.
func examineDaemon(ctx context.Context, cfg config.Daemon) driver.Finding {
	f := driver.Finding{Level: driver.FindingNote, Topic: "daemon"}
	if cfg.StatusSocket == "" {
		f.Text = "status_socket is none: not asked"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	text, err := ask(ctx, cfg.StatusSocket, http.MethodGet, statusPath)
	var s driver.Status
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	switch {
	case err != nil:
		f.Level, f.Text = driver.FindingWarning, fmt.Sprintf("does not answer: %v", err)
		f.WayOut = "start it: docker plugin enable ovsnet, or systemctl start ovsnet"
	case !s.OVS.Connected:
		f.Level, f.Text = driver.FindingFault, s.OVS.Error
	case s.Audit.Error != "":
		f.Level, f.Text, f.WayOut = driver.FindingWarning, "the last audit could not finish: "+s.Audit.Error, "see the daemon's log"
	default:
		f.Level, f.Text = driver.FindingOK, fmt.Sprintf("version %s, %d networks", s.Version, len(s.Networks))
	}
	return f
}

// printFindings writes a line a finding, and the way out under it where there is one.
func printFindings(w io.Writer, findings []driver.Finding, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(findings)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Level, f.Topic, f.Text)
		if f.WayOut != "" {
			fmt.Fprintf(t, "\t\t-> %s\n", f.WayOut)
		}
	}
	return t.Flush()
}
