// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// pools is an IPAM driver without any idea of what overlaps: every pool that is
// asked for is a new one. The engine's own refuses a subnet that it has given.
type pools struct {
	mu   sync.Mutex
	last int
	next map[string]netip.Addr // by pool
}

type ipamRequest struct {
	Pool, PoolID, Address string
	V6                    bool
	Options               map[string]string
}

// ipam serves Docker's IPAM protocol on a socket.
func ipam(socket string) error {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	p := &pools{next: map[string]netip.Addr{}}
	mux := http.NewServeMux()
	for path, answer := range map[string]func(ipamRequest) (map[string]any, error){
		"/Plugin.Activate": func(ipamRequest) (map[string]any, error) {
			return map[string]any{"Implements": []string{"IpamDriver"}}, nil
		},
		"/IpamDriver.GetCapabilities": nothing,
		"/IpamDriver.GetDefaultAddressSpaces": func(ipamRequest) (map[string]any, error) {
			return map[string]any{"LocalDefaultAddressSpace": "probe", "GlobalDefaultAddressSpace": "probe-global"}, nil
		},
		"/IpamDriver.RequestPool":    p.requestPool,
		"/IpamDriver.ReleasePool":    nothing,
		"/IpamDriver.RequestAddress": p.requestAddress,
		"/IpamDriver.ReleaseAddress": nothing,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			var q ipamRequest
			_ = json.NewDecoder(r.Body).Decode(&q) // some calls have no body
			a, err := answer(q)
			if err != nil {
				a = map[string]any{"Error": err.Error()}
			}
			_ = json.NewEncoder(w).Encode(a) // the engine says when it got no answer
		})
	}
	server := http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

func nothing(ipamRequest) (map[string]any, error) { return map[string]any{}, nil }

func (p *pools) requestPool(q ipamRequest) (map[string]any, error) {
	prefix, err := netip.ParsePrefix(q.Pool)
	if err != nil {
		return nil, fmt.Errorf("give a subnet: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	id := fmt.Sprintf("%d/%s", p.last, prefix)
	p.next[id] = prefix.Masked().Addr()
	return map[string]any{"PoolID": id, "Pool": prefix.String()}, nil
}

func (p *pools) requestAddress(q ipamRequest) (map[string]any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, ok := p.next[q.PoolID]
	if !ok {
		return nil, fmt.Errorf("pool %s: not known", q.PoolID)
	}
	address := q.Address
	if address == "" {
		next = next.Next()
		p.next[q.PoolID] = next
		address = next.String()
	}
	bits := q.PoolID[strings.LastIndex(q.PoolID, "/"):]
	return map[string]any{"Address": address + bits}, nil
}
