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

// resolved holds that a name stands for these addresses, as the watching container of a host is told.
func resolved(h *integration.Host, name string, want []string) error {
	out, err := h.TryExec(watchName, "nslookup -type=a "+name)
	if err != nil {
		return err
	}
	_, answer, _ := strings.Cut(out, "\n\n") // before that stands who answers
	var got []string
	for line := range strings.Lines(answer) {
		if _, a, ok := strings.Cut(strings.TrimSpace(line), "Address: "); ok {
			got = append(got, a)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: %s is %v, want %v", h.Name, name, got, want)
	}
	return nil
}

func addresses(tasks []integration.Task) []string {
	var all []string
	for _, task := range tasks {
		all = append(all, task.IP)
	}
	return all
}

// names: a service's name gives its tasks' addresses. Where Docker gives it a virtual IP, at which nobody answers, the
// tasks have a name of their own. The routing mesh is refused, and with it the services that would wait for it for ever.
func (c *cluster) names(t *testing.T) {
	one, two := c.hosts[0], c.hosts[1]
	web := addresses(c.running(t, one, replicas, nil))
	soon(t, func() error { return errors.Join(resolved(one, serviceName, web), resolved(two, serviceName, web)) })

	if out, err := one.TryDocker("service create --detach --network net --endpoint-mode dnsrr --publish 8082:9000 --no-resolve-image --name mesh " +
		integration.Image); err == nil || !strings.Contains(err.Error(), "ingress") {
		t.Errorf("the routing mesh: %s, %v", out, err)
	}
	one.Docker(t, "service create --detach --network net --replicas 2 --stop-grace-period 0s --no-resolve-image --name vip "+integration.Image)
	var tasks []integration.Task
	soon(t, func() (err error) {
		if tasks, err = one.Tasks("vip"); err == nil && len(tasks) != 2 {
			err = fmt.Errorf("tasks: %v", tasks)
		}
		return err
	})
	soon(t, func() error { return resolved(one, "tasks.vip", addresses(tasks)) })
	vip, _, _ := strings.Cut(one.Docker(t, "service inspect --format", "{{(index .Endpoint.VirtualIPs 0).Addr}}", "vip"), "/")
	if err := resolved(one, "vip", []string{vip}); err != nil {
		t.Error(err)
	}
	if out, err := one.TryExec(watchName, "ping -c 1 -W 1 "+vip); err == nil {
		t.Errorf("the virtual IP answers, docs/swarm.md says that it does not: %s", out)
	}
	one.Docker(t, "service rm vip")
}

// encrypted: Docker gives the keys of its overlay networks to no plugin, so such a network stays without a VNI, and the
// leader's log says what there is instead.
func (c *cluster) encrypted(t *testing.T) {
	one := c.hosts[0]
	one.Docker(t, "network create --driver "+integration.ManagedDoor+" --opt encrypted --subnet 10.64.0.0/24 secret")
	soon(t, func() error {
		for _, h := range c.hosts {
			log := h.DockerLog(t)
			if strings.Contains(log, "encrypted: tunnels are not encrypted") && strings.Contains(log, "OVSNET_TUNNEL_ADDRESS") {
				return nil
			}
		}
		return errors.New("no engine's log says why the network is not encrypted")
	})
	if out := one.Docker(t, "network inspect --format {{.Options}} secret"); strings.Contains(out, "ovs.tunnel.vni") {
		t.Errorf("the network has a VNI: %s", out)
	}
	one.Docker(t, "network rm secret")
}
