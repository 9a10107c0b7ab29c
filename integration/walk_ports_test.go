// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// firstHostPort begins the host ports that a walk asks for; those that the kernel chooses are above them.
const firstHostPort = 20000

// wish is a port that a walk asks for: what Docker says, and which published ports it must become.
type wish struct {
	binding integration.Map
	becomes []string // with "*" for a host port that is free
}

// wishes are one to three ports of an endpoint, of every kind: one on all of the host's addresses, which is two, on one
// of them, of a range, or any that is free.
func (h *walked) wishes(ip string) (out []wish) {
	for n := range 1 + h.w.r.IntN(3) {
		h.w.next++
		host, proto, name, target := firstHostPort+h.w.next%10000, 6, "tcp", 80+n
		if h.w.r.IntN(3) == 0 {
			proto, name = 17, "udp"
		}
		at, shown, end := []string{"0.0.0.0"}, strconv.Itoa(host), host
		asked := at[0]
		switch h.w.r.IntN(5) {
		case 0:
			asked, at = "", []string{"0.0.0.0", "[::]"}
		case 1:
			asked, at = "127.0.0.1", []string{"127.0.0.1"}
		case 2:
			host, end, shown = 0, 0, "*"
		case 3:
			end += 2 // the first of them, which is nobody's
			h.w.next += 2
		}
		w := wish{binding: integration.Map{"Proto": proto, "IP": "", "Port": target, "HostIP": asked, "HostPort": host, "HostPortEnd": end}}
		for _, a := range at {
			w.becomes = append(w.becomes, fmt.Sprintf("%s:%s->%s:%d/%s", a, shown, ip, target, name))
		}
		out = append(out, w)
	}
	return out
}

// program is the request that publishes ports of an endpoint.
func program(network, id string, wishes []wish) integration.Map {
	bindings := []integration.Map{}
	for _, w := range wishes {
		bindings = append(bindings, w.binding)
	}
	return integration.Map{
		"NetworkID": network, "EndpointID": id, "Options": integration.Map{"com.docker.network.portmap": bindings},
	}
}

// publish publishes ports of any endpoint that is attached, instead of those that it had.
func (h *walked) publish() {
	t := h.w.t
	t.Helper()
	n, e, ok := h.endpoint(true)
	if !ok {
		return
	}
	ip, _, _ := strings.Cut(h.address(n, e), "/")
	wishes := h.wishes(ip)
	h.ask("ProgramExternalConnectivity", program(n, e, wishes))
	info := h.MustVerb(t, "EndpointOperInfo", integration.Map{"NetworkID": n, "EndpointID": e})
	value, _ := info["Value"].(integration.Map)
	text, _ := value["ovs.published"].(string)
	got := strings.Split(text, ", ")
	slices.Sort(got)
	var want []string
	for _, w := range wishes {
		want = append(want, w.becomes...)
	}
	slices.Sort(want)
	match := len(got) == len(want)
	for _, p := range want {
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, `[1-9]\d+`) + "$")
		match = match && slices.ContainsFunc(got, pattern.MatchString)
	}
	if !match {
		t.Fatalf("published: %v, want %v", got, want)
	}
	h.members[n][e].ports = got
}

// publishTaken asks for a host port that another endpoint has, which is refused and changes nothing.
func (h *walked) publishTaken() {
	t := h.w.t
	t.Helper()
	n, e, ok := h.endpoint(true)
	if !ok {
		return
	}
	var taken []string
	for _, members := range h.members {
		for id, m := range members {
			if id != e {
				taken = append(taken, m.ports...)
			}
		}
	}
	if len(taken) == 0 {
		return
	}
	slices.Sort(taken)
	p := parsePublished(taken[h.w.r.IntN(len(taken))])
	proto := 6
	if p.proto == "udp" {
		proto = 17
	}
	port, err := strconv.Atoi(p.port)
	if err != nil {
		t.Fatal(err)
	}
	ip, _, _ := strings.Cut(h.address(n, e), "/")
	asked := append(h.wishes(ip), wish{binding: integration.Map{
		"Proto": proto, "IP": "", "Port": 99, "HostIP": strings.Trim(p.host, "[]"), "HostPort": port, "HostPortEnd": port,
	}})
	err = ovstest.Poll(30*time.Second, func() error {
		_, refused := h.Verb("ProgramExternalConnectivity", program(n, e, asked))
		switch {
		case refused == nil:
			return fmt.Errorf("%w: port %v was given twice", ovstest.ErrHopeless, p)
		case !strings.Contains(refused.Error(), "already in use"):
			return refused
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// revoke withdraws the ports of any endpoint, whether it has some or not.
func (h *walked) revoke() {
	if n, e, ok := h.endpoint(true); ok {
		h.ask("RevokeExternalConnectivity", integration.Map{"NetworkID": n, "EndpointID": e})
		h.members[n][e].ports = nil
	}
}

// loseLink takes a container's link away, as the end of its network namespace does: the endpoint goes with it.
func (h *walked) loseLink() {
	if n, e, ok := h.endpoint(true); ok {
		h.Run(h.w.t, "ip link del ovs"+e[:12])
		delete(h.members[n], e)
	}
}

// published is a port in docker ps's words, taken apart.
type published struct{ host, port, target, proto string }

func parsePublished(text string) (p published) {
	at, to, _ := strings.Cut(text, "->")
	if i := strings.LastIndexByte(at, ':'); i >= 0 {
		p.host, p.port = at[:i], at[i+1:]
	}
	p.target, p.proto, _ = strings.Cut(to, "/")
	return p
}

// modelPorts are an endpoint's published ports as machinePorts words them: each holds a socket of the host, and those that
// need no relay an element of the firewall's maps.
func modelPorts(id string, ports []string) (s integration.State) {
	if len(ports) > 0 {
		s = append(s, "file ports/"+id+".json")
	}
	for _, text := range ports {
		p := parsePublished(text)
		s = append(s, fmt.Sprintf("socket %s:%s/%s", p.host, p.port, p.proto))
		if !strings.HasPrefix(p.host, "[") {
			s = append(s, "published "+text)
		}
	}
	return s
}

// The elements of the maps of published ports, as nft -n lists them: protocols are numbers.
var (
	onAll = regexp.MustCompile(`(\d+) \. (\d+) : ([\d.]+) \. (\d+)`)
	onOne = regexp.MustCompile(`([\d.]+\.\d+) \. (\d+) \. (\d+) : ([\d.]+) \. (\d+)`)
)

// machinePorts are the published ports that are there.
func (h *walked) machinePorts() (integration.State, error) {
	text, err := h.Try("sh -c", `ss -Hltun | awk '{print "socket " $5 "/" $1}'`)
	if err != nil {
		return nil, err
	}
	var s integration.State
	for line := range strings.Lines(text) {
		s = append(s, strings.TrimSpace(line))
	}
	text, err = h.Try("sh -c", "nft list tables")
	if err != nil || !strings.Contains(text, "inet ovsnet") {
		return s, err
	}
	protos := map[string]string{"6": "tcp", "17": "udp"}
	for m, pattern := range map[string]*regexp.Regexp{"ports4": onAll, "ports_at4": onOne} {
		text, err := h.Try("nft -n list map inet ovsnet", m)
		if err != nil {
			return nil, fmt.Errorf("the firewall's maps: %w", err)
		}
		for _, f := range pattern.FindAllStringSubmatch(text, -1) {
			host := "0.0.0.0"
			if m == "ports_at4" {
				host, f = f[1], f[1:]
			}
			s = append(s, fmt.Sprintf("published %s:%s->%s:%s/%s", host, f[2], f[3], f[4], protos[f[1]]))
		}
	}
	return s, nil
}
