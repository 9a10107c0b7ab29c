// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// answerTime is how long an answer may take, in milliseconds, before there is none: long enough for a second attempt of
// TCP's.
const answerTime = 1500

// world is a host between containers and two machines behind it.
type world struct {
	*integration.Host
	probe string
	outs  []*integration.Outsider
	names map[string]string // of addresses
}

// newWorld starts a host with the two machines, on each of which, and on the host, servers tell who asks.
func newWorld(tb testing.TB, dockerd []string) *world {
	tb.Helper()
	return newWorldBy(tb, served, dockerd)
}

// newWorldBy is newWorld with another way of running the driver.
func newWorldBy(tb testing.TB, by way, dockerd []string) *world {
	tb.Helper()
	return newWorldOn(tb, by, dockerd, nil)
}

// newWorldOn is newWorldBy with something done to the host before its engine starts.
func newWorldOn(tb testing.TB, by way, dockerd []string, prepare func(*integration.Host, testing.TB)) *world {
	tb.Helper()
	h := integration.NewLab(tb).HostWith(tb, "h1", integration.HostOptions{Dockerd: dockerd, NoDocker: prepare != nil})
	if prepare != nil {
		prepare(h, tb)
		h.StartDocker(tb)
	}
	w := &world{Host: h, probe: integration.Probe(tb), names: map[string]string{}}
	for i := 1; i <= 2; i++ {
		o := h.Outside(tb, i)
		w.outs = append(w.outs, o)
		w.names[o.IPv4], w.names[o.IPv6] = fmt.Sprint("outside ", i), fmt.Sprint("outside ", i)
		w.names[o.HostIPv4], w.names[o.HostIPv6] = fmt.Sprint("host, side ", i), fmt.Sprint("host, side ", i)
		o.Run(tb, "ip route add default via "+o.HostIPv4)
		o.Run(tb, "ip route add default via "+o.HostIPv6)
		o.Start(tb, w.probe+" seen :80")
	}
	h.StartProgram(tb, w.probe+" seen :7000")
	w.openIPv6(tb)
	by.start(h, tb)
	return w
}

// openIPv6 does what doctor advises: an engine older than 23 that keeps IPv6's firewall makes no DOCKER-USER there. A younger
// one may be at it at the same moment.
func (w *world) openIPv6(tb testing.TB) {
	tb.Helper()
	if integration.DockerNFT() {
		return
	}
	w.Run(tb, "sh -c", "ip6tables -N DOCKER-USER 2>/dev/null; ip6tables -C FORWARD -j DOCKER-USER 2>/dev/null || ip6tables -I FORWARD -j DOCKER-USER")
}

// net makes network number i, 10.80.<i>.0/24 and fd80:<i>::/64, with the gateway at 1.
func (w *world) net(tb testing.TB, driver, name string, i int, options ...string) {
	tb.Helper()
	w.names[fmt.Sprintf("10.80.%d.1", i)], w.names[fmt.Sprintf("fd80:%d::1", i)] = name+"'s gateway", name+"'s gateway"
	w.Docker(tb, "network create --ipv6 --driver "+driver, append(options,
		"--subnet", fmt.Sprintf("10.80.%d.0/24", i), "--subnet", fmt.Sprintf("fd80:%d::/64", i), name)...)
}

// server starts a container that tells on ports 80 and 81 who asks, with the addresses that end in k.
func (w *world) server(tb testing.TB, name, network string, i, k int, options ...string) {
	tb.Helper()
	ip, ip6 := fmt.Sprintf("10.80.%d.%d", i, k), fmt.Sprintf("fd80:%d::%d", i, k)
	w.names[ip], w.names[ip6] = name, name
	args := append([]string{name, "--network", network, "--ip", ip, "--ip6", ip6}, options...)
	w.Docker(tb, "run --detach --name", append(args, integration.Image, "probe", "seen", ":80", ":81")...)
	soon(tb, func() error { _, err := w.TryExec(name, "probe ask 500 tcp/127.0.0.1:81"); return err })
}

// ask asks from a place (the host, a container, or "outside 1") at addresses, tcp/ADDR:PORT, and gives the name that
// each answer has for who asks, "-" where there is none.
func (w *world) ask(tb testing.TB, from string, questions ...string) []string {
	tb.Helper()
	answers, err := w.inquire(from, questions...)
	if err != nil {
		tb.Fatal(err)
	}
	// What may be a loss on a busy machine is asked again.
	if again := lost(questions, answers); len(again) > 0 {
		more, err := w.inquire(from, again...)
		if err != nil {
			tb.Fatal(err)
		}
		for i, a := range more {
			answers[slices.Index(questions, again[i])] = a
		}
	}
	return answers
}

func (w *world) inquire(from string, questions ...string) (answers []string, err error) {
	line := fmt.Sprintf("ask %d %s", answerTime, strings.Join(questions, " "))
	var out string
	switch from {
	case "host":
		out, err = w.Try(w.probe + " " + line)
	case "outside 1", "outside 2":
		out, err = w.outs[from[len(from)-1]-'1'].Try(w.probe + " " + line)
	default:
		out, err = w.TryExec(from, "probe "+line)
	}
	if err != nil {
		return nil, err
	}
	answers = strings.Split(out, "\n")
	if len(answers) != len(questions) {
		return nil, fmt.Errorf("%d questions from %s, answers: %q", len(questions), from, out)
	}
	for i, a := range answers {
		if name, ok := w.names[a]; ok {
			answers[i] = name
		}
	}
	return answers, nil
}

// lost are the questions without an answer.
func lost(questions, answers []string) []string {
	var out []string
	for i, a := range answers {
		if a == "-" {
			out = append(out, questions[i])
		}
	}
	return out
}

// try tells which answers to many questions from one place are not as expected; each is question=answer.
func (w *world) try(from string, expected ...string) error {
	questions, answers := make([]string, len(expected)), make([]string, len(expected))
	for i, e := range expected {
		questions[i], answers[i], _ = strings.Cut(e, "=")
	}
	out, err := w.inquire(from, questions...)
	if err != nil {
		return err
	}
	var wrong []string
	for i, got := range out {
		if got != answers[i] {
			wrong = append(wrong, fmt.Sprintf("%s from %s: %q, want %q", questions[i], from, got, answers[i]))
		}
	}
	if wrong != nil {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}

// hears holds the answers to many questions from one place; each is question=answer.
func (w *world) hears(tb testing.TB, from string, expected ...string) {
	tb.Helper()
	if err := poll(func() error { return w.try(from, expected...) }); err != nil {
		tb.Error(err)
	}
}

// poll tries a few times what a busy machine may be late with.
func poll(f func() error) (err error) {
	for range 3 {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}

// remove removes containers and networks.
func (w *world) remove(tb testing.TB, containers, networks string) {
	tb.Helper()
	w.Docker(tb, "rm --force "+containers)
	w.Docker(tb, "network rm "+networks)
}
