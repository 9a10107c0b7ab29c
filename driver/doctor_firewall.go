// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/ovsnet/ovsnet/driver/nat"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// firewall looks at the host's firewall as the networks in Open vSwitch need it.
func (x *examination) firewall(ctx context.Context, snap ovsdb.Snapshot) {
	const topic = "firewall"
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	fw, err := nat.New(ctx, nat.Options{Owner: x.cfg.Owner, ProcSys: x.cfg.ProcSys, SystemBus: x.cfg.SystemBus, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		x.say(FindingFault, topic, "", "networks that need one are refused: %v", err)
		return
	}
	s := fw.Examine(ctx, outsides(snap))
	if err := fw.Close(); err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	for _, p := range s.Problems {
		text, wayOut, _ := strings.Cut(p, "; ")
		x.say(FindingWarning, topic, wayOut, "%s", text)
	}
	if s.Table == "" {
		return // it could not be looked at, as was said
	}
	level := FindingOK
	if len(s.Problems) > 0 {
		level = FindingNote
	}
	x.say(level, topic, "", "%s", firewallText(s))
	for _, what := range s.Done {
		x.say(FindingNote, topic, "", "%s", what)
	}
}

// outsides are the networks that the rows in Open vSwitch tell of, as the firewall sees them.
func outsides(snap ovsdb.Snapshot) []nat.Network {
	w := newWorld()
	for _, b := range snap.Bridges {
		// One that cannot be read back is the daemon's to tell of.
		if rec, err := decodeRecord([]byte(b.IDs.Spec)); err == nil && rec.Bridge == b.Name {
			_ = w.addNetwork(rec) // likewise
		}
	}
	var out []nat.Network
	for _, n := range w.networks {
		if n.hasGateway() {
			out = append(out, n.outside(w.networks))
		}
	}
	return out
}

// firewallText says in a line what a firewall is and stands beside.
func firewallText(s nat.State) string {
	parts := []string{fmt.Sprintf("%s by %s: %d networks, %d published ports", s.Table, s.NFT, s.Networks, s.Ports)}
	add := func(is bool, text string) {
		if is {
			parts = append(parts, text)
		}
	}
	add(len(s.DockerUser) > 0, "DOCKER-USER in "+strings.Join(s.DockerUser, ", "))
	add(len(s.ForwardDrop) > 0, "policy drop in "+strings.Join(s.ForwardDrop, ", "))
	add(s.DockerNFT, "Docker uses nftables")
	add(s.Firewalld, "firewalld")
	add(s.UFW, "ufw")
	add(s.BridgeNetfilter, "br_netfilter on")
	on := map[bool]string{true: "on", false: "off"}
	parts = append(parts, fmt.Sprintf("host's forwarding IPv4 %s, IPv6 %s", on[s.ForwardIPv4], on[s.ForwardIPv6]))
	return strings.Join(parts, "; ")
}
