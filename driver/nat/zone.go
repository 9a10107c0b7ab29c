// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// firewalld's names on the system bus (firewalld.dbus(5)).
const (
	firewalldName = "org.fedoraproject.FirewallD1"
	firewalldPath = dbus.ObjectPath("/org/fedoraproject/FirewallD1")
	firewalldZone = firewalldName + ".zone."
	// firewalldTable is its table of nftables.
	firewalldTable = "firewalld"
)

// zoneDeadline bounds what we ask of firewalld. It may be busy with a reload.
const zoneDeadline = 10 * time.Second

// zones keeps our links in a zone of firewalld that lets them pass: it rejects what comes from links that it does not
// know, whatever our table accepts. The zone is the one that Docker makes for its own bridges, else "trusted". It is
// changed at run time only, and a link that the operator has put elsewhere stays there.
type zones struct {
	bus string // path of the system bus
	// in tells the zone of each link that we have put into one.
	in map[string]string
	// present tells whether firewalld was there when it was last asked, failed why it could not be.
	present bool
	failed  error
	links   []string
}

// zone brings firewalld's zones in line. That it cannot be asked is no error: an operator may have put our links into
// a zone himself.
func (f *Firewall) zone(ctx context.Context) int {
	z := &f.zones
	z.links = gateways(f.networks)
	var changed int
	changed, z.present, z.failed = z.ensure(ctx, z.links)
	return changed
}

// gateways are the links of networks' gateways.
func gateways(networks map[string]Network) []string {
	out := make([]string, 0, len(networks))
	for _, n := range networks {
		out = append(out, n.Bridge)
	}
	slices.Sort(out)
	return out
}

// addZones adds what is known of firewalld.
func (s *survey) addZones(z zones) {
	s.Firewalld = s.Firewalld || z.present
	if z.failed != nil && s.Firewalld {
		s.Problems = append(s.Problems, fmt.Sprintf(
			"firewalld is at work and could not be asked to let %s pass: %v; give ovsnet the system bus, or run firewall-cmd --zone=trusted --add-interface for each",
			strings.Join(z.links, ", "), z.failed))
	}
}

// open looks for firewalld on the bus. present tells whether it is there at all; done gives the bus back.
func (z *zones) open(ctx context.Context) (fw firewalld, present bool, done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, zoneDeadline)
	bus, err := dbus.Connect("unix:path="+z.bus, dbus.WithContext(ctx))
	if err != nil {
		cancel()
		return fw, false, func() {}, fmt.Errorf("system bus: %w", err)
	}
	done = func() {
		_ = bus.Close() // nothing is under way
		cancel()
	}
	err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, firewalldName).Store(&present)
	return firewalld{ctx, bus.Object(firewalldName, firewalldPath)}, present, done, err
}

// see finds out which links are in a zone that lets them pass, and changes nothing.
func (z *zones) see(ctx context.Context, links []string) {
	fw, present, done, err := z.open(ctx)
	defer done()
	z.links, z.present, z.failed = links, present, err
	if err != nil || !present {
		return
	}
	for _, l := range links {
		zone, err := fw.zoneOf(l)
		z.failed = errors.Join(z.failed, err)
		if passes(zone) {
			z.in[l] = zone
		}
	}
}

// passes tells whether a zone is one that we put links into.
func passes(zone string) bool { return zone == "docker" || zone == "trusted" }

// ensure puts links into the zone and takes others, which were ours, out. It counts what it changed. present tells
// whether firewalld is there at all.
func (z *zones) ensure(ctx context.Context, links []string) (changed int, present bool, err error) {
	fw, present, done, err := z.open(ctx)
	defer done()
	if err != nil || !present {
		return 0, present, err
	}
	var names []string
	if err := fw.call(&names, "getZones"); err != nil {
		return 0, true, err
	}
	zone := "trusted"
	if slices.Contains(names, "docker") {
		zone = "docker"
	}
	var errs []error
	for _, l := range slices.Sorted(maps.Keys(z.in)) {
		if slices.Contains(links, l) {
			continue
		}
		var was string
		errs = append(errs, fw.tolerate(fw.call(&was, "removeInterface", z.in[l], l), "UNKNOWN_INTERFACE"))
		delete(z.in, l)
		changed++
	}
	for _, l := range links {
		now, err := fw.zoneOf(l)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if passes(now) { // by us, perhaps in an earlier run
			z.in[l] = now
		}
		if now != "" {
			continue
		}
		var was string
		if err := fw.call(&was, "addInterface", zone, l); err != nil {
			errs = append(errs, err)
			continue
		}
		z.in[l] = zone
		changed++
	}
	return changed, true, errors.Join(errs...)
}

// firewalld is the service on the bus.
type firewalld struct {
	ctx context.Context
	dbus.BusObject
}

// call asks a method of a zone and stores its answer.
func (f firewalld) call(answer any, method string, args ...any) error {
	c := f.CallWithContext(f.ctx, firewalldZone+method, dbus.FlagNoAutoStart, args...)
	if c.Err != nil {
		return fmt.Errorf("firewalld: %s: %w", method, c.Err)
	}
	return c.Store(answer)
}

// zoneOf is the zone that a link was put into; empty if into none.
func (f firewalld) zoneOf(link string) (zone string, err error) {
	err = f.tolerate(f.call(&zone, "getZoneOfInterface", link), "UNKNOWN_INTERFACE")
	return zone, err
}

// tolerate drops an error that firewalld gives a code.
func (firewalld) tolerate(err error, code string) error {
	if err != nil && strings.Contains(err.Error(), code) {
		return nil
	}
	return err
}
