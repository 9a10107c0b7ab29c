// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"testing"
)

// TestPublished: a port of a container answers from everywhere that Docker's would answer from, and the container
// sees who Docker's would see.
func TestPublished(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	l.network(2, nil)
	c, neighbour, stranger := l.container(1, 2), l.container(1, 3), l.container(2, 2)
	c.serve(80)
	l.outside.serve(90)
	c.publish("8080:80/tcp", "8080:80/udp")

	t.Log("from outside: the client's own address")
	sees(t, l.outside, at(host4, 8080), outside4)
	sees(t, l.outside, at(host6, 8080), outside6)
	t.Log("from the host: the address it used, and the gateway's where that is a loopback address")
	sees(t, nil, at(host4, 8080), host4)
	sees(t, nil, at(host6, 8080), host6)
	sees(t, nil, at("127.0.0.1", 8080), "10.1.0.1")
	sees(t, nil, at("::1", 8080), "fd00:1::1")
	sees(t, nil, at("10.1.0.1", 8080), "10.1.0.1")
	sees(t, nil, at("fd00:1::1", 8080), "fd00:1::1")
	t.Log("from the container itself and from its neighbour: the gateway's, so that answers come back the same way")
	for _, s := range []*space{c.space, neighbour.space} {
		for _, a := range []string{host4, "10.1.0.1"} {
			sees(t, s, at(a, 8080), "10.1.0.1")
		}
		for _, a := range []string{host6, "fd00:1::1"} {
			sees(t, s, at(a, 8080), "fd00:1::1")
		}
	}
	t.Log("from another network, by the host's address: the gateway's")
	sees(t, stranger.space, at(host4, 8080), "10.1.0.1")
	sees(t, stranger.space, at(host6, 8080), "fd00:1::1")
	sees(t, stranger.space, at("10.2.0.1", 8080), "10.1.0.1")
	t.Log("but not by the other network's gateway or the container's address")
	for _, a := range []string{"10.1.0.1", "fd00:1::1"} {
		refused(t, stranger.space, at(a, 8080))
	}
	for _, a := range []string{"10.1.0.2", "fd00:1::2"} {
		refused(t, stranger.space, at(a, 80))
		refused(t, l.outside, at(a, 80))
	}
	t.Log("the way out: with the host's address")
	sees(t, c.space, at(outside4, 90), host4)
	sees(t, c.space, at(outside6, 90), host6)

	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	for _, a := range []string{host4, host6} {
		refused(t, l.outside, at(a, 8080))
	}
	refused(t, nil, at("127.0.0.1", 8080))
	refused(t, nil, at("::1", 8080))
}
