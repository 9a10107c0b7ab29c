// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
)

// flowsTimeout bounds the reading of a bridge's tables.
const flowsTimeout = 20 * time.Second

func (p *program) flowsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flows [BRIDGE]",
		Short: "Print the pipeline page, or a bridge's flows with their meaning",
		Long: `Without a bridge: print the pipeline page in Markdown.
With one: print its flows, table by table, each with the name of its row and its counters, then what has been dropped
for which reason.`,
		Args: cobra.MaximumNArgs(1),
	}
	all := cmd.Flags().Bool("all", false, "also flows that are not ovsnet's")
	load := p.settings(cmd, "ovsdb", "ovs_run_dir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			_, err := io.WriteString(p.stdout, pipelinePage())
			return err
		}
		bridge := args[0]
		if bridge == "" || strings.ContainsRune(bridge, '/') {
			return fmt.Errorf("bridge %q: is no name; see ovs-vsctl list-br", bridge)
		}
		cfg, err := load()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), flowsTimeout)
		defer cancel()
		stats, err := dumpFlows(ctx, filepath.Join(cfg.OVSRunDir, bridge+".mgmt"), *all)
		if err != nil {
			return fmt.Errorf("bridge %s: %w; see ovs-vsctl list-br, and whether you may open its socket", bridge, err)
		}
		return printFlows(p.stdout, stats)
	}
	return cmd
}

// dumpFlows reads a bridge's flows: ovsnet's, or all.
func dumpFlows(ctx context.Context, socket string, all bool) ([]openflow.FlowStats, error) {
	conn, err := openflow.Dial(ctx, socket, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	cookie, mask := flows.CookieOwnerValue, flows.CookieOwnerMask
	if all {
		cookie, mask = 0, 0
	}
	stats, err := conn.DumpFlows(ctx, cookie, mask)
	return stats, errors.Join(err, conn.Close())
}

// printFlows writes flows in the order in which a frame meets them, and the sum of what was dropped, by reason.
func printFlows(w io.Writer, stats []openflow.FlowStats) error {
	rows := map[uint8]flows.Row{}
	for _, r := range flows.Rows() {
		rows[r.Number] = r
	}
	tables := map[uint8]flows.Table{}
	for _, t := range flows.Tables() {
		tables[t.Number] = t
	}
	slices.SortStableFunc(stats, func(a, b openflow.FlowStats) int {
		if a.Table != b.Table {
			return int(a.Table) - int(b.Table)
		}
		if a.Priority != b.Priority {
			return int(b.Priority) - int(a.Priority)
		}
		return strings.Compare(a.Match.String(), b.Match.String())
	})
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	dropped := map[string]uint64{}
	last := -1
	for _, s := range stats {
		if int(s.Table) != last {
			last = int(s.Table)
			fmt.Fprintf(t, "\ntable %d %s: %s\n", s.Table, tables[s.Table].Name, tables[s.Table].Purpose)
			fmt.Fprint(t, "PACKETS\tBYTES\tROW\tFLOW\n")
		}
		name := "(not ovsnet's)"
		if c, ours := flows.ParseCookie(s.Cookie); ours {
			row, known := rows[c.Row]
			if name = row.Name; !known {
				name = fmt.Sprintf("(row %d of another version)", c.Row)
			}
			if row.Drop != "" {
				dropped[row.Drop] += s.Packets
			}
		}
		flow := s.Flow
		flow.Cookie, flow.Table = 0, 0
		fmt.Fprintf(t, "%d\t%d\t%s\t%s\n", s.Packets, s.Bytes, name, flow)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	reasons := make([]string, 0, len(dropped))
	for reason, n := range dropped {
		if n > 0 {
			reasons = append(reasons, fmt.Sprintf("%s %d", reason, n))
		}
	}
	slices.Sort(reasons)
	_, err := fmt.Fprintf(w, "\n%d flows; packets dropped: %s\n", len(stats), list(reasons))
	return err
}
