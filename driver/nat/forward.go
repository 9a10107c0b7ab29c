// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

var errReadOnly error = syscall.EROFS

// forwarding makes the host forward for our networks, with as little change as the kernel allows, and remembers
// what it changed.
//
// A packet is forwarded if the link that it came in by says so. Our own links are told to; answers come in by the
// links that the host has routes on. Where the host forwards already, there is nothing to do. Where it does not,
// these links are opened one by one (IPv6: from Linux 6.17 on), so that whoever later turns forwarding on for the
// host finds it off, and does what he does then (Docker sets the policy of FORWARD to DROP). Before Linux 6.17, IPv6
// has one switch for all, which also ends the host's listening to router advertisements; that is kept alive.
//
// Links that were opened do not forward to each other: the table's set "opened" says so, and is the memory of what
// was done, over restarts too.
type forwarding struct {
	sys sysctls
	log *slog.Logger
	// opened are the links that were opened, by family ("ipv4", "ipv6"). "all" among them: IPv6's one switch.
	opened map[string][]string
	// routerAds are the links whose accept_ra we raised from 1 to 2.
	routerAds []string
	// ours are the gateways' links.
	ours map[string]bool
	// oldIPv6 pretends that the kernel has the one switch only.
	oldIPv6 bool
}

const everyLink = "all"

// elements gives the memory as it stands in the table.
func (w *forwarding) elements() elements {
	e := elements{}
	for family, s := range map[string]string{"ipv4": "4", "ipv6": "6"} {
		for _, l := range w.opened[family] {
			e.put(setOpened+s, l)
		}
	}
	for _, l := range w.routerAds {
		e.put(setRouterAds, l)
	}
	return e
}

// recall takes the memory that an earlier run left in the table.
func (w *forwarding) recall(left elements) {
	for _, k := range left.sorted() {
		switch k.set {
		case setOpened + "4":
			w.opened["ipv4"] = append(w.opened["ipv4"], k.key)
		case setOpened + "6":
			w.opened["ipv6"] = append(w.opened["ipv6"], k.key)
		case setRouterAds:
			w.routerAds = append(w.routerAds, k.key)
		}
	}
}

// ensure opens what the networks need. It counts what it changed.
func (w *forwarding) ensure(networks map[string]Network) (int, error) {
	var errs []error
	changed := 0
	w.ours = map[string]bool{}
	for _, n := range networks {
		w.ours[n.Bridge] = true
	}
	w.prune()
	for _, v6 := range []bool{false, true} {
		var gateways []string
		for _, n := range networks {
			if n.family(v6).forwards() {
				gateways = append(gateways, n.Bridge)
			}
		}
		if len(gateways) == 0 {
			continue
		}
		slices.Sort(gateways)
		c, err := w.ensureFamily(v6, gateways)
		changed += c
		errs = append(errs, err)
	}
	c, err := w.ensureLoopback(networks)
	return changed + c, errors.Join(append(errs, err)...)
}

// prune forgets links that are gone, and gateways that had their routes before we were told of their networks: those
// must forward to the host's own links.
func (w *forwarding) prune() {
	for family, links := range w.opened {
		w.opened[family] = slices.DeleteFunc(links, func(l string) bool {
			_, err := w.sys.get("net", family, "conf", l, "forwarding")
			return w.ours[l] || errors.Is(err, fs.ErrNotExist)
		})
	}
}

func (w *forwarding) ensureFamily(v6 bool, gateways []string) (int, error) {
	family, key := nfproto(v6), "forwarding"
	if _, err := w.sys.get("net", family, "conf", everyLink, key); err != nil {
		return 0, fmt.Errorf("the host has no %s: %w", family, err)
	}
	if w.sys.is("1", "net", family, "conf", everyLink, key) {
		if !slices.Contains(w.opened[family], everyLink) {
			w.opened[family] = nil // somebody turned forwarding on for the host: it is his now
		}
		if !v6 {
			return w.open(family, key, gateways, nil)
		}
		return 0, nil
	}
	if v6 {
		key = "force_forwarding"
		if _, err := w.sys.get("net", family, "conf", everyLink, key); w.oldIPv6 || errors.Is(err, fs.ErrNotExist) {
			return w.ensureEvery()
		}
	}
	return w.open(family, key, gateways, w.outside(family))
}

// open turns forwarding on for links: the gateways, which are ours, and others, which are remembered.
func (w *forwarding) open(family, key string, gateways, others []string) (int, error) {
	var errs []error
	changed := 0
	for i, l := range slices.Concat(gateways, others) {
		at := []string{"net", family, "conf", l, key}
		v, err := w.sys.get(at...)
		if err != nil || v == "1" { // the link is not there (yet), or there is nothing to do
			continue
		}
		if err := w.sys.set("1", at...); err != nil {
			errs = append(errs, err)
			continue
		}
		changed++
		if i < len(gateways) {
			continue
		}
		w.log.Info("forwarding turned on for a link of the host", "sysctl", name(at...), "was", v)
		w.opened[family] = append(w.opened[family], l)
	}
	return changed, errors.Join(errs...)
}

// ensureEvery turns IPv6's one switch on.
func (w *forwarding) ensureEvery() (int, error) {
	changed := 0
	for _, l := range w.sys.links("ipv6") {
		at := []string{"net", "ipv6", "conf", l, "accept_ra"}
		if w.ours[l] || !w.sys.is("1", at...) {
			continue
		}
		if err := w.sys.set("2", at...); err != nil {
			return changed, err
		}
		w.log.Info("router advertisements are listened to although the host forwards", "sysctl", name(at...), "was", "1")
		w.routerAds = append(w.routerAds, l)
		changed++
	}
	at := []string{"net", "ipv6", "conf", everyLink, "forwarding"}
	if err := w.sys.set("1", at...); err != nil {
		return changed, err
	}
	w.log.Info("IPv6 forwarding turned on for the host", "sysctl", name(at...), "was", "0")
	w.opened["ipv6"] = append(w.outside("ipv6"), everyLink)
	return changed + 1, nil
}

// ensureLoopback lets the host reach published ports on 127.0.0.1: translated, they leave by the gateway's link with
// that source, which the kernel refuses unless route_localnet is on. The table closes what this opens.
func (w *forwarding) ensureLoopback(networks map[string]Network) (int, error) {
	var errs []error
	changed := 0
	for _, n := range networks {
		at := []string{"net", "ipv4", "conf", n.Bridge, "route_localnet"}
		if !n.IPv4.active() || !n.IPv4.translates() || !w.sys.is("0", at...) {
			continue
		}
		err := w.sys.set("1", at...)
		errs = append(errs, err)
		if err == nil {
			changed++
		}
	}
	return changed, errors.Join(errs...)
}

// close takes back what was done to a gateway's link, if it is still there.
func (w *forwarding) close(n Network) {
	if w.sys.is("1", "net", "ipv4", "conf", n.Bridge, "route_localnet") {
		_ = w.sys.set("0", "net", "ipv4", "conf", n.Bridge, "route_localnet") // the link goes, or is gone
	}
}

// undo takes back what was done to the host. others tells whether somebody else needs IPv6's switch.
func (w *forwarding) undo(others bool) error {
	var errs []error
	back := func(value string, at ...string) {
		if _, err := w.sys.get(at...); errors.Is(err, fs.ErrNotExist) {
			return
		}
		err := w.sys.set(value, at...)
		if err == nil {
			w.log.Info("sysctl as it was before the first network", "sysctl", name(at...), "value", value)
		}
		errs = append(errs, err)
	}
	for _, l := range w.opened["ipv4"] {
		if !w.sys.is("1", "net", "ipv4", "conf", everyLink, "forwarding") {
			back("0", "net", "ipv4", "conf", l, "forwarding")
		}
	}
	every := slices.Contains(w.opened["ipv6"], everyLink)
	switch {
	case every && others:
		w.log.Info("IPv6 forwarding stays on: somebody else on the host translates addresses", "sysctl", "net.ipv6.conf.all.forwarding")
	case every:
		back("0", "net", "ipv6", "conf", everyLink, "forwarding")
		for _, l := range w.routerAds {
			back("1", "net", "ipv6", "conf", l, "accept_ra")
		}
	default:
		for _, l := range w.opened["ipv6"] {
			back("0", "net", "ipv6", "conf", l, "force_forwarding")
		}
	}
	w.opened, w.routerAds = map[string][]string{}, nil
	return errors.Join(errs...)
}

// dockers matches the names that Docker gives its bridges. They are Docker's to open.
var dockers = regexp.MustCompile(`^(docker0|docker_gwbridge|br-[0-9a-f]{12})$`)

// outside gives the links that answers may come in by: those with routes, but ours and Docker's.
func (w *forwarding) outside(family string) []string {
	return slices.DeleteFunc(routedLinks(family), func(l string) bool {
		return l == "lo" || w.ours[l] || dockers.MatchString(l)
	})
}

// routedLinks reads from /proc which links the host has routes on, sorted. Those to link-local and multicast
// addresses of IPv6, which every link has, do not count.
func routedLinks(family string) []string {
	file, column, header := "/proc/thread-self/net/route", 0, 1
	if family == "ipv6" {
		file, column, header = "/proc/thread-self/net/ipv6_route", 9, 0
	}
	b, err := os.ReadFile(file) // #nosec G304 -- one of the two above
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	for i, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if i < header || len(f) <= column || family == "ipv6" && (strings.HasPrefix(f[0], "fe8") || strings.HasPrefix(f[0], "ff")) {
			continue
		}
		found[f[column]] = true
	}
	return slices.Sorted(maps.Keys(found))
}
