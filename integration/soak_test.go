// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// soakGroup is how many containers come and go at once.
const soakGroup = 50

// holdings is what the driver and the host hold when no container is attached.
type holdings struct {
	done              int // containers that have come and gone
	heap              uint64
	resident          int // KiB
	goroutines, files int
	rows, flows       int
	links, rules      int
	journal           int // files
	perContainer      time.Duration
}

// TestSoak: containers come and go through the socket, one in ten with a published port, OVSNET_SOAK of them (500 without it);
// what the driver and the host hold is the same after the first twentieth and after the last.
func TestSoak(t *testing.T) {
	t.Parallel()
	total := 500
	if text := os.Getenv("OVSNET_SOAK"); text != "" {
		var err error
		if total, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	c := newCrowd(t)
	window := max(total/20/soakGroup*soakGroup, 2*soakGroup)
	var all []holdings
	for done := 0; done < total && !t.Failed(); done += window {
		all = append(all, c.soak(t, done, done+window))
	}
	showHoldings(t, all)
	first, last := all[0], all[len(all)-1]
	for _, n := range []struct {
		name                string
		first, last, spread int
	}{
		{"goroutines", first.goroutines, last.goroutines, 3},
		{"open files", first.files, last.files, 3},
		{"rows", first.rows, last.rows, 0},
		{"flows", first.flows, last.flows, 0},
		{"links", first.links, last.links, 0},
		{"rules", first.rules, last.rules, 0},
		{"files of the journal", first.journal, last.journal, 0},
		{"heap in KiB", int(first.heap >> 10), int(last.heap >> 10), int(first.heap>>10)/10 + 2048},
		{"resident memory in KiB", first.resident, last.resident, first.resident/10 + 8192},
	} {
		if n.last > n.first+n.spread {
			t.Errorf("%s: %d after the first %d, %d after %d", n.name, n.first, first.done, n.last, last.done)
		}
	}
	c.calm(t, 0)
}

// soak has containers come and go, and tells what is held when they are gone.
func (c *crowd) soak(t *testing.T, from, to int) holdings {
	t.Helper()
	begin := time.Now()
	h := holdings{done: to, heap: 1 << 62}
	for i := from; i < to; i += soakGroup {
		c.e.attachAll(t, i, i+soakGroup)
		for k := i; k < i+soakGroup; k += 10 {
			c.e.call(t, "ProgramExternalConnectivity", map[string]any{
				"NetworkID": benchNetwork, "EndpointID": endpointID(k), "Options": map[string]any{"com.docker.network.portmap": []any{
					map[string]any{"Proto": 6, "Port": 80, "HostIP": "0.0.0.0", "HostPort": 20000 + k%1000, "HostPortEnd": 20000 + k%1000},
				}},
			})
		}
		detachAll(t, c.e, i, i+soakGroup)
		h.heap = min(h.heap, c.Status(t).Process.HeapBytes) // what is not collected yet comes on top
	}
	h.perContainer = time.Since(begin) / time.Duration(to-from)
	c.e.client.CloseIdleConnections()
	soon(t, func() error {
		p := c.Status(t).Process
		h.goroutines, h.files = p.Goroutines, p.OpenFiles
		if p.Goroutines > c.bare.Goroutines+3 || p.OpenFiles > c.bare.OpenFiles+3 {
			return fmt.Errorf("the driver holds %+v, when nobody calls %+v", p, c.bare)
		}
		return nil
	})
	h.resident = residentKiB(t, c.Host)
	count := func(command string) int {
		n, err := strconv.Atoi(strings.TrimSpace(c.Run(t, "sh -c", command+" | wc -l")))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	h.rows = count("for t in Bridge Port Interface; do ovs-vsctl --no-headings --columns=_uuid list $t; done | grep .")
	h.flows = count("for b in $(ovs-vsctl list-br); do ovs-ofctl -OOpenFlow15 --no-stats dump-flows $b; done")
	h.links, h.rules, h.journal = count("ip -o link"), count("nft list ruleset"), count("find /var/lib/ovsnet -type f")
	return h
}

func showHoldings(t *testing.T, all []holdings) {
	t.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "CONTAINERS\tHEAP\tRESIDENT\tGOROUTINES\tFILES\tROWS\tFLOWS\tLINKS\tRULES\tJOURNAL\tEACH\t")
	for _, h := range all {
		fmt.Fprintf(w, "%d\t%.1f MiB\t%.1f MiB\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t\n", h.done, float64(h.heap)/(1<<20), float64(h.resident)/(1<<10),
			h.goroutines, h.files, h.rows, h.flows, h.links, h.rules, h.journal, h.perContainer.Round(100*time.Microsecond))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", text.String())
}
