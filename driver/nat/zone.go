// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
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
)

// systemBus is where the bus is when the environment does not say otherwise.
const systemBus = "unix:path=/run/dbus/system_bus_socket"

// zoneDeadline bounds what we ask of firewalld. It may be busy with a reload.
const zoneDeadline = 10 * time.Second

// zones keeps our links in a zone of firewalld that lets them pass: it rejects what comes from links that it does not
// know, whatever our table accepts. The zone is the one that Docker makes for its own bridges, else "trusted". It is
// changed at run time only, and a link that the operator has put elsewhere stays there.
type zones struct {
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
	z.links = make([]string, 0, len(f.networks))
	for _, n := range f.networks {
		z.links = append(z.links, n.Bridge)
	}
	slices.Sort(z.links)
	var changed int
	changed, z.present, z.failed = z.ensure(ctx, z.links)
	return changed
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

// ensure puts links into the zone and takes others, which were ours, out. It counts what it changed. present tells
// whether firewalld is there at all.
func (z *zones) ensure(ctx context.Context, links []string) (changed int, present bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, zoneDeadline)
	defer cancel()
	bus, err := dbus.Connect(cmp.Or(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"), systemBus), dbus.WithContext(ctx))
	if err != nil {
		return 0, false, fmt.Errorf("system bus: %w", err)
	}
	defer func() { _ = bus.Close() }()
	if err := bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, firewalldName).Store(&present); err != nil || !present {
		return 0, false, err
	}
	fw := firewalld{ctx, bus.Object(firewalldName, firewalldPath)}
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
		var now, was string
		if err := fw.tolerate(fw.call(&now, "getZoneOfInterface", l), "UNKNOWN_INTERFACE"); err != nil {
			errs = append(errs, err)
			continue
		}
		if now == "docker" || now == "trusted" { // by us, perhaps in an earlier run
			z.in[l] = now
		}
		if now != "" {
			continue
		}
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

// tolerate drops an error that firewalld gives a code.
func (firewalld) tolerate(err error, code string) error {
	if err != nil && strings.Contains(err.Error(), code) {
		return nil
	}
	return err
}
