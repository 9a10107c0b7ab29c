// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/coreos/go-iptables/iptables"
)

// The tables, and the chain that Docker leaves to the operator. It is traversed before Docker's own rules and survives the engine.
const (
	filterTable = "filter"
	natTable    = "nat"
	dockerUser  = "DOCKER-USER"
)

// lockWait is how many seconds iptables waits for its own lock.
const lockWait = 5

// backend is one of the firewalls that iptables can stand for: a host may have rules in several at once.
type backend struct {
	name   string // the program
	ipt    *iptables.IPTables
	v6     bool
	legacy bool
}

// backends gives those that are installed.
func backends() []backend {
	var out []backend
	for _, base := range []string{"iptables", "ip6tables"} {
		found := false
		for _, kind := range []string{"-nft", "-legacy", ""} {
			if kind == "" && found {
				break
			}
			path, err := exec.LookPath(base + kind)
			if err != nil {
				continue
			}
			proto := iptables.ProtocolIPv4
			if base == "ip6tables" {
				proto = iptables.ProtocolIPv6
			}
			ipt, err := iptables.New(iptables.IPFamily(proto), iptables.Path(path), iptables.Timeout(lockWait))
			if err != nil {
				continue
			}
			found = true
			out = append(out, backend{name: base + kind, ipt: ipt, v6: proto == iptables.ProtocolIPv6, legacy: kind == "-legacy"})
		}
	}
	return out
}

// inUse tells whether there can be anything in its filter table.
func (b backend) inUse() bool { return b.made(filterTable) }

// made tells whether somebody made a table. Listing a legacy table that nobody made would make it.
func (b backend) made(table string) bool {
	if !b.legacy {
		return true
	}
	file := "/proc/thread-self/net/ip_tables_names"
	if b.v6 {
		file = "/proc/thread-self/net/ip6_tables_names"
	}
	names, err := os.ReadFile(file)
	return err == nil && slices.Contains(strings.Fields(string(names)), table)
}

// translates tells whether a rule in it gives packets another source address.
func (b backend) translates() (bool, error) {
	if !b.made(natTable) {
		return false, nil
	}
	chains, err := b.ipt.ListChains(natTable)
	if err != nil {
		return false, fmt.Errorf("%s: %w", b.name, err)
	}
	for _, chain := range chains {
		rules, err := b.ipt.List(natTable, chain)
		if err != nil {
			return false, fmt.Errorf("%s: %w", b.name, err)
		}
		for _, target := range []string{"MASQUERADE", "SNAT", "NETMAP"} {
			if slices.ContainsFunc(rules, func(r string) bool { return strings.Contains(r+" ", " -j "+target+" ") }) {
				return true, nil
			}
		}
	}
	return false, nil
}

// rules gives a chain of the filter table as iptables -S prints it, its policy first; nil if there is none.
func (b backend) rules(chain string) ([]string, error) {
	lines, err := b.ipt.List(filterTable, chain)
	var failed *iptables.Error
	switch {
	case errors.As(err, &failed) && failed.ExitStatus() == 1: // no such chain, or nothing at all
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", b.name, err)
	}
	return lines, nil
}

// accepts keeps our links accepted in DOCKER-USER, wherever that chain is.
type accepts struct {
	prefix string // of our rules' comments
}

// rule is a rule of ours: what it matches and does, and the comment that says whose it is.
type rule struct {
	spec    []string
	comment string
}

func (r rule) text() []string {
	return slices.Concat(r.spec[:len(r.spec)-2], []string{"-m", "comment", "--comment", r.comment}, r.spec[len(r.spec)-2:])
}

// want gives the rules of one backend: what goes to Docker's bridges is left to Docker's chains, what comes from our
// links or goes to them as our table allows is accepted.
func (a accepts) want(v6 bool, networks map[string]Network, docker []string) []rule {
	var out []rule
	ids := make([]string, 0, len(networks))
	for id, n := range networks {
		if n.family(v6).forwards() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(x, y string) int { return strings.Compare(networks[x].Bridge, networks[y].Bridge) })
	for _, d := range docker {
		out = append(out, rule{[]string{"-o", d, "-j", "RETURN"}, a.prefix + "to/" + d})
	}
	for _, id := range ids {
		n := networks[id]
		add := func(what string, spec ...string) {
			out = append(out, rule{append(spec, "-j", "ACCEPT"), a.prefix + what + "/" + n.Bridge})
		}
		add("from", "-i", n.Bridge)
		add("back", "-o", n.Bridge, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
		if n.family(v6).translates() {
			add("published", "-o", n.Bridge, "-m", "conntrack", "--ctstate", "DNAT")
		}
		if m := n.family(v6).mode(); m == ModeRouted || m == ModeNATUnprotected {
			add("open", "-o", n.Bridge)
		}
	}
	return out
}

// ensure makes our rules the last of DOCKER-USER, before a RETURN that ends it: what the operator drops there stays
// dropped. It counts what it changed. Where the chain is missing there is nothing to do.
func (a accepts) ensure(b backend, want []rule) (int, error) {
	all, err := b.rules(dockerUser)
	if err != nil || all == nil {
		return 0, err
	}
	lines := slices.DeleteFunc(all, func(l string) bool { return !strings.HasPrefix(l, "-A ") })
	end := len(lines)
	if end > 0 && lines[end-1] == "-A "+dockerUser+" -j RETURN" {
		end--
	}
	var ours []string
	var at []int
	for i, l := range lines {
		if c := comment(l); strings.HasPrefix(c, a.prefix) {
			ours, at = append(ours, c), append(at, i)
		}
	}
	comments := make([]string, len(want))
	for i, r := range want {
		comments[i] = r.comment
	}
	if slices.Equal(ours, comments) && (len(at) == 0 || at[len(at)-1] == end-1 && at[0] == end-len(at)) {
		return 0, nil
	}
	for _, i := range slices.Backward(at) {
		if err := b.remove(lines[i], i+1); err != nil {
			return 0, fmt.Errorf("%s: %w", b.name, err)
		}
	}
	for i, r := range want {
		if err := b.ipt.Insert(filterTable, dockerUser, end-len(at)+i+1, r.text()...); err != nil {
			return 0, fmt.Errorf("%s: %w", b.name, err)
		}
	}
	missing := 0
	for _, c := range comments {
		if !slices.Contains(ours, c) {
			missing++
		}
	}
	return max(missing, 1), nil
}

// remove deletes a rule of ours from DOCKER-USER, if it is still there. By the words that iptables printed: at its place
// may be somebody else's by now. Where iptables does not know it by them, by its place, after another look.
func (b backend) remove(line string, place int) error {
	words := strings.Fields(line)[2:] // after "-A DOCKER-USER"
	for i, w := range words {
		words[i] = strings.Trim(w, `"`)
	}
	failed := b.ipt.Delete(filterTable, dockerUser, words...)
	if failed == nil {
		return nil
	}
	all, err := b.rules(dockerUser)
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(all, func(l string) bool { return !strings.HasPrefix(l, "-A ") })
	switch now := slices.Index(lines, line); {
	case now < 0: // somebody else was first
		return nil
	case now == place-1:
		return b.ipt.DeleteById(filterTable, dockerUser, place)
	}
	return failed
}

// comment gives the comment of a rule as iptables -S prints it. Ours have no spaces.
func comment(line string) string {
	words := strings.Fields(line)
	if i := slices.Index(words, "--comment"); i >= 0 && i+1 < len(words) {
		return strings.Trim(words[i+1], `"`)
	}
	return ""
}

// dockerBridges gives the links that Docker's chains care for in one backend: those that a rule of theirs sends to
// the chain DOCKER, or that a rule of that chain is about. Engines of different ages have different ones.
func (b backend) dockerBridges() ([]string, error) {
	var out []string
	for _, chain := range []string{"FORWARD", "DOCKER", "DOCKER-BRIDGE"} {
		lines, err := b.rules(chain)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			words := strings.Fields(l)
			i := slices.Index(words, "-o")
			if i < 1 || words[i-1] == "!" || i+1 == len(words) {
				continue
			}
			if chain == "FORWARD" && !strings.HasSuffix(l, "-j DOCKER") || strings.HasPrefix(comment(l), "ovsnet") {
				continue
			}
			if !slices.Contains(out, words[i+1]) {
				out = append(out, words[i+1])
			}
		}
	}
	slices.Sort(out)
	return out, nil
}
