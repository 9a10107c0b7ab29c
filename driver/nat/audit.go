// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Audit compares what is with what should be, and repairs it: the table, the accepts in DOCKER-USER, sysctls, and
// the sockets that hold ports. It removes from the table what nobody has asked of this Firewall, so after a start it
// comes last: first every network, then every endpoint, then Audit. It counts what it repaired.
func (f *Firewall) Audit(ctx context.Context) (repairs int, err error) {
	if err = f.enter(ctx); err != nil {
		return 0, err
	}
	defer f.leave()
	if len(f.networks) == 0 {
		left, lerr := f.table.read(ctx)
		if lerr != nil || len(left) == 0 {
			return 0, lerr
		}
		return len(left), f.clear(ctx)
	}
	broken, err := f.table.audit(ctx, f.wanted())
	if err != nil {
		return 0, err
	}
	outside, err := f.settle(ctx)
	errs := []error{err}
	for _, p := range f.endpoints {
		for _, h := range p.holds {
			revived, herr := f.holds.revive(ctx, h, p.target(h))
			outside += revived
			errs = append(errs, herr)
		}
	}
	if broken+outside > 0 {
		f.log.Warn("firewall repaired", "table", f.table.name, "elements_and_rules", broken, "outside", outside)
	}
	return broken + outside, errors.Join(errs...)
}

// State tells what was found on the host, now, and what was done about it.
func (f *Firewall) State(ctx context.Context) State {
	if err := f.enter(ctx); err != nil {
		return State{Problems: []string{err.Error()}}
	}
	defer f.leave()
	s := f.look(ctx)
	s.judge(f.networks)
	s.addZones(f.zones)
	s.Networks = len(f.networks)
	for _, p := range f.endpoints {
		s.Ports += len(p.bindings)
	}
	s.Done = f.done(s)
	return s.State
}

// Examine is State for a Firewall that keeps nothing itself, beside one in another process that keeps the networks
// given: what is found on the host, and what stands in the table. It changes nothing.
func (f *Firewall) Examine(ctx context.Context, networks []Network) State {
	if err := f.enter(ctx); err != nil {
		return State{Problems: []string{err.Error()}}
	}
	defer f.leave()
	keep := map[string]Network{}
	for _, n := range networks {
		keep[n.ID] = n
	}
	s := f.look(ctx)
	s.judge(keep)
	s.Networks = len(keep)
	stand, err := f.table.read(ctx)
	switch {
	case err != nil:
		s.Problems = append(s.Problems, err.Error())
	case len(stand) == 0 && len(keep) > 0:
		s.Problems = append(s.Problems, fmt.Sprintf("%s is missing; a running daemon makes it at once: see its log", s.Table))
	}
	for k := range stand {
		switch strings.TrimRight(k.set, "46") {
		case mapPorts, mapPortsAt, setOpen:
			s.Ports++
		}
	}
	f.networks = keep
	defer func() { f.networks = map[string]Network{} }()
	if len(keep) > 0 {
		f.zones.see(ctx, gateways(keep))
		s.addZones(f.zones)
	}
	s.Done = f.done(s)
	return s.State
}

// done says in words what was changed outside of our table.
func (f *Firewall) done(s survey) []string {
	var out []string
	for i, b := range s.users {
		if n := len(f.accepts.want(b.v6, f.networks, s.docker[i])); n > 0 {
			out = append(out, fmt.Sprintf("%d rules at the end of %s in %s", n, dockerUser, b.name))
		}
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		if l := slices.Sorted(slices.Values(f.forward.opened[family])); len(l) > 0 {
			out = append(out, fmt.Sprintf("%s forwarding turned on for %s", family, strings.Join(l, ", ")))
		}
	}
	for _, l := range slices.Sorted(maps.Keys(f.zones.in)) {
		out = append(out, fmt.Sprintf("%s is in firewalld's zone %s", l, f.zones.in[l]))
	}
	if l := f.forward.routerAds; len(l) > 0 {
		out = append(out, "accept_ra raised from 1 to 2 for "+strings.Join(l, ", "))
	}
	return out
}

// news logs what the host looks like, once and when it has changed.
func (f *Firewall) news(s State) {
	now := fmt.Sprint(s.DockerUser, s.ForwardDrop, s.DockerNFT, s.Firewalld, s.UFW, s.BridgeNetfilter, s.Problems)
	if now == f.found {
		return
	}
	f.found = now
	f.log.Info("the host's firewall", "table", s.Table, "nft", s.NFT, "docker_user", s.DockerUser, "forward_drop", s.ForwardDrop,
		"docker_nft", s.DockerNFT, "firewalld", s.Firewalld, "ufw", s.UFW, "br_netfilter", s.BridgeNetfilter)
	for _, p := range s.Problems {
		f.log.Warn("the host's firewall", "problem", p)
	}
}
