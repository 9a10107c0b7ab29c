// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Status is what the driver knows of itself, for ovsnet status.
type Status struct {
	Version  string          `json:"version"`
	Owner    string          `json:"owner"`
	OVS      OVSStatus       `json:"ovs"`
	Audit    AuditStatus     `json:"audit"`
	Process  ProcessStatus   `json:"process"`
	Networks []NetworkStatus `json:"networks"`
}

// OVSStatus tells of the connection to Open vSwitch's database.
type OVSStatus struct {
	Endpoint  string `json:"endpoint"`
	Connected bool   `json:"connected"`
	Error     string `json:"error,omitempty"`
}

// AuditStatus tells of the last audit and counts all repairs since the start, by kind.
type AuditStatus struct {
	Last    time.Time      `json:"last,omitzero"`
	Error   string         `json:"error,omitempty"`
	Repairs map[string]int `json:"repairs,omitempty"`
}

// NetworkStatus tells of one network.
type NetworkStatus struct {
	ID        string           `json:"id"`
	Door      string           `json:"door"`
	Bridge    string           `json:"bridge"`
	Datapath  string           `json:"datapath"`
	MTU       int              `json:"mtu"`
	Internal  bool             `json:"internal,omitempty"`
	Subnets   []string         `json:"subnets"`
	Gateways  []string         `json:"gateways"`
	Endpoints []EndpointStatus `json:"endpoints"`
	// Tunnel is nil on a network of one host.
	Tunnel *TunnelStatus `json:"tunnel,omitempty"`
}

// EndpointStatus tells of one endpoint.
type EndpointStatus struct {
	ID        string   `json:"id"`
	Port      string   `json:"port"`
	OFPort    uint32   `json:"ofport"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"`
	Attached  bool     `json:"attached"`
	// Published are the ports published on the host, as docker ps shows those of its own drivers.
	Published []string `json:"published,omitempty"`
}

// Status reads memory alone and never waits for anything outside.
func (d *Driver) Status(context.Context) Status {
	d.mu.Lock()
	w := d.world.snapshot()
	d.mu.Unlock()
	s := Status{Version: d.version, Owner: d.cfg.Owner, OVS: OVSStatus{Endpoint: d.cfg.OVSDB, Connected: true}, Process: processStatus(), Networks: []NetworkStatus{}}
	if err := d.ovs.Check(); err != nil {
		s.OVS.Connected, s.OVS.Error = false, err.Error()
	}
	l := d.loop
	l.mu.Lock()
	s.Audit = AuditStatus{Last: l.last, Repairs: maps.Clone(l.repairs)}
	if l.err != nil {
		s.Audit.Error = l.err.Error()
	}
	l.mu.Unlock()
	for _, n := range w.networks {
		ns := NetworkStatus{
			ID: n.ID, Door: n.Door, Bridge: n.Bridge, Datapath: n.Datapath, MTU: n.MTU, Internal: n.Internal,
			Subnets: []string{}, Gateways: []string{}, Endpoints: []EndpointStatus{}, Tunnel: d.tunnelStatus(n, s.Audit.Last),
		}
		for _, p := range n.Pools {
			ns.Subnets = append(ns.Subnets, p.Subnet.String())
		}
		if n.hasGateway() {
			for _, g := range n.gateways() {
				ns.Gateways = append(ns.Gateways, g.Addr().String())
			}
		}
		for _, e := range w.members(n.ID) {
			es := EndpointStatus{ID: e.ID, Port: e.Link, OFPort: e.OFPort, MAC: e.MAC.String(), Addresses: []string{}, Attached: e.attached, Published: d.published(e.ID)}
			for _, a := range e.Addresses {
				es.Addresses = append(es.Addresses, a.String())
			}
			ns.Endpoints = append(ns.Endpoints, es)
		}
		s.Networks = append(s.Networks, ns)
	}
	slices.SortFunc(s.Networks, func(a, b NetworkStatus) int { return strings.Compare(a.ID, b.ID) })
	return s
}
