// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// insideEnv tells a test that it runs in a host of its own.
const insideEnv = "OVSNET_NAT_TEST_HOST"

// The main thread stays in the test's own namespace: /proc/self means it.
func init() { runtime.LockOSThread() }

// onHost runs the rest of a test as root in a network namespace of its own, which stands for a host: the test
// program is started again in it, for this test alone. The outer one gets false and has nothing more to do.
func onHost(tb testing.TB) bool {
	tb.Helper()
	if os.Getenv(insideEnv) != "" {
		must(tb, syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
		must(tb, syscall.Mount("proc", "/proc", "proc", 0, ""))  // whatever is started here ends with the test
		must(tb, syscall.Mount("tmpfs", "/run", "tmpfs", 0, "")) // ip netns' names, the lock of iptables
		sh(tb, "ip link set lo up")
		if t, ok := tb.(*testing.T); ok {
			t.Cleanup(func() {
				if !t.Failed() {
					goleak.VerifyNone(t)
				}
			})
		}
		return true
	}
	ovstest.NeedRoot(tb)
	ovstest.NeedTool(tb, "nft", "nftables")
	ovstest.NeedTool(tb, "ip", "iproute2")
	ovstest.NeedTool(tb, "iptables-nft", "iptables")
	ovstest.NeedTool(tb, "ping", "iputils-ping")
	if t, ok := tb.(*testing.T); ok {
		t.Parallel()
	}
	args := []string{"-test.run=^" + regexp.QuoteMeta(tb.Name()) + "$", "-test.v=" + fmt.Sprint(testing.Verbose()), "-test.timeout=5m"}
	if _, ok := tb.(*testing.B); ok {
		args = []string{"-test.run=^$", "-test.bench=^" + regexp.QuoteMeta(tb.Name()) + "$", "-test.benchtime=1x", "-test.timeout=5m"}
	}
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "-update") {
			args = append(args, a)
		}
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("on its host: %v\n%s", err, out)
	}
	if b, ok := tb.(*testing.B); ok {
		relayMetrics(b, string(out))
	}
	if testing.Verbose() {
		tb.Logf("on its host:\n%s", out)
	}
	return false
}

// relayMetrics reports what the benchmark inside has measured.
func relayMetrics(b *testing.B, out string) {
	b.Helper()
	for _, m := range regexp.MustCompile(`([0-9.]+) (ratio\w*|ms/\w+)`).FindAllStringSubmatch(out, -1) {
		var v float64
		if _, err := fmt.Sscan(m[1], &v); err == nil {
			b.ReportMetric(v, m[2])
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// closing closes what a test is done with.
func closing(c io.Closer) { _ = c.Close() }

// sh runs commands and gives what they print.
func sh(tb testing.TB, script string) string {
	tb.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// space is a network namespace: a container, or another host.
type space struct {
	tb   testing.TB
	name string
	fd   int
}

func newSpace(tb testing.TB, name string) *space {
	tb.Helper()
	sh(tb, "ip netns add "+name+" && ip -n "+name+" link set lo up")
	fd, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(tb, err)
	tb.Cleanup(func() { must(tb, unix.Close(fd)) })
	return &space{tb, name, fd}
}

// do calls f in the namespace. Sockets made there stay there. A nil space is the host.
func (s *space) do(f func() error) error {
	if s == nil {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setns(s.fd, unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// lab is a host with networks, containers and an outside.
type lab struct {
	testing.TB
	ctx     context.Context
	f       *Firewall
	log     *logBuffer
	outside *space
	nets    map[string]Network
}

const (
	outside4, outside6 = "192.0.2.2", "2001:db8::2"
	host4, host6       = "192.0.2.1", "2001:db8::1"
)

// newLab makes a host with an outside host behind it.
func newLab(tb testing.TB) *lab {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	tb.Cleanup(cancel)
	l := &lab{TB: tb, ctx: ctx, log: &logBuffer{}, nets: map[string]Network{}}
	l.outside = newSpace(tb, "outside")
	sh(tb, `
		sysctl -qw net.ipv4.conf.all.rp_filter=1 # the strictest that distributions set
		sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 # as with Open vSwitch
		ip link add eth0 type veth peer name eth0 netns outside
		ip addr add `+host4+`/24 dev eth0 && ip addr add `+host6+`/64 dev eth0 nodad && ip link set eth0 up
		ip -n outside addr add `+outside4+`/24 dev eth0 && ip -n outside addr add `+outside6+`/64 dev eth0 nodad
		ip -n outside link set eth0 up`)
	l.f = l.firewall()
	return l
}

// firewall opens a Firewall, as a start of the plugin does.
func (l *lab) firewall() *Firewall {
	l.Helper()
	f, err := New(context.Background(), Options{Log: slog.New(slog.NewTextHandler(l.log, nil))})
	must(l, err)
	l.Cleanup(func() { must(l, f.Close()) })
	return f
}

// network makes a network: number i has link gw<i>, 10.<i>.0.0/24 and fd00:<i>::/64.
func (l *lab) network(i int, change func(*Network)) Network {
	l.Helper()
	link := fmt.Sprintf("gw%d", i)
	sh(l, fmt.Sprintf(`
		ip link add %[1]s type bridge && ip link set %[1]s up
		ip addr add 10.%[2]d.0.1/24 dev %[1]s && ip addr add fd00:%[2]d::1/64 dev %[1]s nodad
		ip -n outside route add 10.%[2]d.0.0/24 via %[3]s && ip -n outside route add fd00:%[2]d::/64 via %[4]s`, link, i, host4, host6))
	n := Network{
		ID: fmt.Sprintf("network%d", i), Bridge: link,
		IPv4: Family{Subnets: prefixes(fmt.Sprintf("10.%d.0.0/24", i)), Gateway: netip.MustParseAddr(fmt.Sprintf("10.%d.0.1", i)), Masquerade: true},
		IPv6: Family{Subnets: prefixes(fmt.Sprintf("fd00:%d::/64", i)), Gateway: netip.MustParseAddr(fmt.Sprintf("fd00:%d::1", i)), Masquerade: true},
	}
	if change != nil {
		change(&n)
	}
	must(l, l.f.EnsureNetwork(l.ctx, n))
	l.nets[n.ID] = n
	return n
}

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// box is a container.
type box struct {
	*space
	lab    *lab
	v4, v6 netip.Addr
	ep     Endpoint
}

// container makes number k on network i: addresses end in k.
func (l *lab) container(i, k int) *box {
	l.Helper()
	name := fmt.Sprintf("c%d-%d", i, k)
	s := newSpace(l, name)
	sh(l, fmt.Sprintf(`
		ip link add v%[1]s type veth peer name eth0 netns %[1]s && ip link set v%[1]s master gw%[2]d up
		ip -n %[1]s addr add 10.%[2]d.0.%[3]d/24 dev eth0 && ip -n %[1]s addr add fd00:%[2]d::%[3]d/64 dev eth0 nodad
		ip -n %[1]s link set eth0 up
		ip -n %[1]s route add default via 10.%[2]d.0.1 && ip -n %[1]s route add default via fd00:%[2]d::1`, name, i, k))
	b := &box{space: s, lab: l, v4: netip.MustParseAddr(fmt.Sprintf("10.%d.0.%d", i, k)), v6: netip.MustParseAddr(fmt.Sprintf("fd00:%d::%d", i, k))}
	b.ep = Endpoint{ID: "endpoint-" + name, Network: fmt.Sprintf("network%d", i), Addrs: []netip.Addr{b.v4, b.v6}}
	return b
}

// publish publishes ports of the container: "8080:80/tcp", "127.0.0.1:8080:80/udp", ":80/tcp", "8000-8010:80/tcp".
func (b *box) publish(ports ...string) []Published {
	b.lab.Helper()
	out, err := b.tryPublish(ports...)
	must(b.lab, err)
	return out
}

func (b *box) tryPublish(ports ...string) ([]Published, error) {
	b.lab.Helper()
	b.ep.Ports = nil
	for _, p := range ports {
		b.ep.Ports = append(b.ep.Ports, parsePort(b.lab, p))
	}
	return b.lab.f.Publish(b.lab.ctx, b.ep)
}

var portText = regexp.MustCompile(`^(?:\[?([0-9a-f.:]*?)\]?:)?([0-9]*)(?:-([0-9]+))?:([0-9]+)/(tcp|udp|sctp)$`)

func parsePort(tb testing.TB, s string) Port {
	tb.Helper()
	m := portText.FindStringSubmatch(s)
	if m == nil {
		tb.Fatalf("port %q", s)
	}
	number := func(s string) (n uint16) {
		_, _ = fmt.Sscan(s, &n) // empty is none
		return n
	}
	p := Port{HostPort: number(m[2]), HostPortEnd: number(m[3]), TargetPort: number(m[4]), Proto: map[string]uint8{"tcp": TCP, "udp": UDP, "sctp": SCTP}[m[5]]}
	if m[1] != "" {
		p.HostIP = netip.MustParseAddr(m[1])
	}
	return p
}

// logBuffer is a log that tests can read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// at joins an address and a port.
func at(host string, port uint16) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
