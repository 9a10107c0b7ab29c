// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// survey is what the host's firewall looks like to us, beside State what the rules are made from.
type survey struct {
	State
	// users are the backends that have a chain DOCKER-USER; docker, beside each, the links that Docker cares for.
	users  []backend
	docker [][]string
	// nftUser tells that nft shows a chain DOCKER-USER.
	nftUser bool
}

// look finds out about the host. What cannot be found out is a problem, not an error.
func (f *Firewall) look(ctx context.Context) survey {
	var s survey
	s.Table, s.NFT = "inet "+f.table.name, f.version
	s.BridgeNetfilter = f.sys.is("1", "net", "bridge", "bridge-nf-call-iptables")
	s.ForwardIPv4 = f.sys.is("1", "net", "ipv4", "conf", everyLink, "forwarding")
	s.ForwardIPv6 = f.sys.is("1", "net", "ipv6", "conf", everyLink, "forwarding")
	if err := s.lookNFT(ctx); err != nil {
		s.Problems = append(s.Problems, fmt.Sprintf("the host's nftables could not be listed: %v", err))
	}
	for _, b := range f.backends {
		if err := s.lookIPTables(b); err != nil {
			s.Problems = append(s.Problems, fmt.Sprintf("%s could not be asked: %v", b.name, err))
		}
	}
	if s.nftUser && !slices.ContainsFunc(s.users, func(b backend) bool { return !b.legacy }) {
		s.Problems = append(s.Problems, "there is a chain DOCKER-USER, and no iptables to change it with; install the package iptables")
	}
	slices.Sort(s.DockerBridges)
	s.DockerBridges = slices.Compact(s.DockerBridges)
	return s
}

// lookNFT reads every base chain of the host's nftables. iptables-nft's are among them.
func (s *survey) lookNFT(ctx context.Context) error {
	out, err := runNFT(ctx, "-j", "list", "chains")
	if err != nil {
		return err
	}
	return s.readChains(out)
}

// readChains reads what nft lists of chains, as JSON (libnftables-json(5)).
func (s *survey) readChains(out []byte) error {
	var doc struct {
		Nftables []struct {
			Chain *struct{ Family, Table, Name, Hook, Policy string }
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		return err
	}
	for _, o := range doc.Nftables {
		c := o.Chain
		if c == nil {
			continue
		}
		s.nftUser = s.nftUser || c.Name == dockerUser
		s.Firewalld = s.Firewalld || c.Table == firewalldTable
		s.DockerNFT = s.DockerNFT || c.Table == "docker-bridges"
		s.UFW = s.UFW || strings.HasPrefix(c.Name, "ufw-")
		if c.Hook == "forward" && c.Policy == "drop" {
			s.ForwardDrop = append(s.ForwardDrop, fmt.Sprintf("%s %s %s (nft)", c.Family, c.Table, c.Name))
		}
	}
	return nil
}

// lookIPTables reads what concerns us in one backend.
func (s *survey) lookIPTables(b backend) error {
	if !b.inUse() {
		return nil
	}
	if b.legacy {
		forward, ferr := b.rules("FORWARD")
		ufw, uerr := b.rules("ufw-before-forward")
		if slices.Contains(forward, "-P FORWARD DROP") {
			s.ForwardDrop = append(s.ForwardDrop, fmt.Sprintf("%s FORWARD (legacy)", b.family()))
		}
		s.UFW = s.UFW || ufw != nil
		if err := errors.Join(ferr, uerr); err != nil {
			return err
		}
	}
	user, err := b.rules(dockerUser)
	if err != nil || user == nil {
		return err
	}
	docker, err := b.dockerBridges()
	if err != nil {
		return err
	}
	s.users, s.docker = append(s.users, b), append(s.docker, docker)
	s.DockerUser = append(s.DockerUser, b.name)
	s.DockerBridges = append(s.DockerBridges, docker...)
	return nil
}

// family is the name of a backend's family as nft says it.
func (b backend) family() string {
	if b.v6 {
		return "ip6"
	}
	return "ip"
}

// judge adds the problems that follow from what was found, for the networks that there are.
func (s *survey) judge(networks map[string]Network) {
	for _, drop := range s.ForwardDrop {
		v6only, v4only := strings.HasPrefix(drop, "ip6 "), strings.HasPrefix(drop, "ip ")
		concerned := false
		for _, n := range networks {
			concerned = concerned || n.IPv4.forwards() && !v6only || n.IPv6.forwards() && !v4only
		}
		if concerned && !s.covered(drop) {
			s.Problems = append(s.Problems, fmt.Sprintf(
				"%s drops forwarded packets and has no chain DOCKER-USER: nothing passes from or to our networks; %s", drop, wayOut(drop)))
		}
	}
}

// wayOut says what the operator can do about a chain that drops. An engine older than 23 that keeps IPv6's makes no
// DOCKER-USER there; where the operator makes it, our accepts follow.
func wayOut(drop string) string {
	if strings.HasPrefix(drop, "ip6 filter FORWARD") || drop == "ip6 FORWARD (legacy)" {
		return "ip6tables -N DOCKER-USER && ip6tables -I FORWARD -j DOCKER-USER, or accept their links there"
	}
	return "accept their links there"
}

// covered tells whether our accepts stand before a policy.
func (s *survey) covered(drop string) bool {
	return slices.ContainsFunc(s.users, func(b backend) bool {
		if b.legacy {
			return drop == b.family()+" FORWARD (legacy)"
		}
		return drop == b.family()+" filter FORWARD (nft)"
	})
}

// needed tells whether somebody else on the host translates IPv6 addresses, and so needs it forwarded.
func (f *Firewall) needed(ctx context.Context) (bool, error) {
	var errs []error
	for _, b := range f.backends {
		if !b.v6 || !b.legacy {
			continue // what iptables-nft makes is in the ruleset
		}
		yes, err := b.translates()
		if yes {
			return true, nil
		}
		errs = append(errs, err)
	}
	for _, family := range []string{"ip6", "inet"} {
		out, err := runNFT(ctx, "list", "ruleset", family)
		errs = append(errs, err)
		text := strings.ToLower(string(out))
		if strings.Contains(text, "masquerade") || strings.Contains(text, "snat ") {
			return true, nil
		}
	}
	return false, errors.Join(errs...)
}
