// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
)

const (
	// fillers are containers that publish fillerPorts ports each: a thousand together.
	fillers, fillerPorts = 4, 250
	publishSamples       = 21
	connectSamples       = 2000
)

// publisher is one driver with a network of its own, on which "one" publishes port 9999 and "none" no port.
type publisher struct {
	*world
	api    *http.Client
	driver string
	number int // of the network
}

// took is what publishing one more port costs, and connecting to it: medians.
type took struct {
	verb, attach, plain, connect time.Duration
}

// BenchmarkPublishedPorts compares publishing one more port, and connecting to it from outside, beside one published
// port and beside a thousand, with Docker's bridge driver and with ours, on one host. Docker's docker-proxy processes
// are left out, in its favour.
//
//	attach   the engine's call that attaches a container that publishes a port; what it takes without one is "plain"
//	verb     the part of it that is ours: ProgramExternalConnectivity
//	connect  until a TCP connection from a machine outside stands
func BenchmarkPublishedPorts(b *testing.B) {
	w := newWorld(b, []string{"--userland-proxy=false"})
	api := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", w.Path("/run/docker.sock"))
	}}}
	b.Cleanup(api.CloseIdleConnections)
	for i, driver := range []string{"bridge", "ovs"} {
		b.Run(driver, func(b *testing.B) {
			p := &publisher{w, api, driver, i + 1}
			p.begin(b)
			few := []took{p.measure(b)}
			var many []took
			var filled []time.Duration
			// In turns, so that what else the machine does weighs on both. A thousand ports keep the bridge driver busy
			// for a minute.
			for range map[string]int{"bridge": 1, "ovs": 5}[driver] {
				start := time.Now()
				p.fill(b)
				filled = append(filled, time.Since(start))
				many = append(many, p.measure(b))
				p.empty(b)
				few = append(few, p.measure(b))
			}
			p.Docker(b, "rm --force one none")
			p.Docker(b, "network rm "+driver+"-net")
			p.report(b, few, many, median(filled))
		})
	}
}

func (p *publisher) begin(b *testing.B) {
	b.Helper()
	p.Docker(b, fmt.Sprintf("network create --driver %s --subnet 10.80.%d.0/24 %s-net", p.driver, p.number, p.driver))
	p.run(b, "none")
	p.run(b, "one", "-p", "0.0.0.0:9999:80")
}

func (p *publisher) run(b *testing.B, name string, options ...string) {
	b.Helper()
	args := slices.Concat([]string{name, "--network", p.driver + "-net"}, options, []string{integration.Image, "probe", "seen", ":80"})
	p.Docker(b, "run --detach --name", args...)
}

func filler(i int) string { return fmt.Sprint("filler", i) }

func (p *publisher) fill(b *testing.B) {
	b.Helper()
	for i := range fillers {
		from := 10000 + i*fillerPorts
		ports := fmt.Sprintf("%d-%d", from, from+fillerPorts-1)
		p.run(b, filler(i), "-p", "0.0.0.0:"+ports+":"+ports)
	}
}

func (p *publisher) empty(b *testing.B) {
	b.Helper()
	for i := range fillers {
		p.Docker(b, "rm --force "+filler(i))
	}
}

// ask calls the engine.
func (p *publisher) ask(b *testing.B, path, container string) {
	b.Helper()
	body := fmt.Sprintf(`{"Container":%q}`, container)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://docker/networks/"+p.driver+"-net/"+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := p.api.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: %s %v %s", path, container, res.Status, err, text)
	}
}

// measure takes every time in turn.
func (p *publisher) measure(b *testing.B) took {
	b.Helper()
	var verb, attach, plain []time.Duration
	clock := func(f func()) time.Duration {
		begin := time.Now()
		f()
		return time.Since(begin)
	}
	for range publishSamples {
		p.ask(b, "disconnect", "none")
		plain = append(plain, clock(func() { p.ask(b, "connect", "none") }))
		p.ask(b, "disconnect", "one")
		attach = append(attach, clock(func() { p.ask(b, "connect", "one") }))
	}
	t := took{attach: median(attach), plain: median(plain)}
	if p.driver == "ovs" {
		ids := p.endpoint(b, "none")
		program := integration.Map{"NetworkID": ids[0], "EndpointID": ids[1], "Options": integration.Map{"com.docker.network.portmap": []any{
			integration.Map{"Proto": 6, "HostIP": "0.0.0.0", "HostPort": 9998, "HostPortEnd": 9998, "Port": 80},
		}}}
		for range publishSamples {
			verb = append(verb, clock(func() { p.MustVerb(b, "ProgramExternalConnectivity", program) }))
			p.MustVerb(b, "RevokeExternalConnectivity", integration.Map{"NetworkID": ids[0], "EndpointID": ids[1]})
		}
		t.verb = median(verb)
	}
	ns, err := strconv.Atoi(p.outs[0].Run(b, p.probe+" connect "+p.outs[0].HostIPv4+":9999", strconv.Itoa(connectSamples)))
	if err != nil {
		b.Fatal(err)
	}
	t.connect = time.Duration(ns)
	return t
}

// endpoint is a container's network and endpoint by their ids.
func (p *publisher) endpoint(b *testing.B, container string) []string {
	b.Helper()
	return strings.Fields(p.Docker(b, "inspect --format", `{{range .NetworkSettings.Networks}}{{.NetworkID}} {{.EndpointID}}{{end}}`, container))
}

// publishLimit is how much more publishing one more port may cost beside a thousand.
const publishLimit = 1.5

// report gives medians and, of ours, holds the ratio to the limit.
func (p *publisher) report(b *testing.B, few, many []took, filled time.Duration) {
	b.Helper()
	middle := func(all []took, of func(took) time.Duration) float64 {
		var values []time.Duration
		for _, t := range all {
			values = append(values, of(t))
		}
		return float64(median(values).Nanoseconds()) / 1e6
	}
	for _, m := range []struct {
		name string
		of   func(took) time.Duration
	}{
		{"verb", func(t took) time.Duration { return t.verb }},
		{"attach", func(t took) time.Duration { return t.attach }},
		{"plain", func(t took) time.Duration { return t.plain }},
		{"connect", func(t took) time.Duration { return t.connect }},
	} {
		one, thousand := middle(few, m.of), middle(many, m.of)
		if one == 0 {
			continue // a driver without that call
		}
		b.ReportMetric(one, m.name+"-1-ms")
		b.ReportMetric(thousand, m.name+"-1000-ms")
		b.ReportMetric(thousand/one, m.name+"-1000/1")
		if p.driver == "ovs" && m.name != "plain" && thousand > one*publishLimit {
			b.Errorf("%s takes %.3f ms beside a thousand ports, %.3f ms beside one", m.name, thousand, one)
		}
	}
	b.ReportMetric(filled.Seconds(), "fill-s")
	b.ReportMetric(0, "ns/op")
}
