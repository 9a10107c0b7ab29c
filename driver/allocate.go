// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strconv"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
)

// The VNIs that are given to networks which name none. Those below are left for people to give.
const (
	firstVNI = 1 << 12
	lastVNI  = 1<<24 - 1 // VXLAN (RFC 7348, section 5), Geneve (RFC 8926, section 3.4)
)

// The options of a network that AllocateNetwork adds.
const (
	keyTunnelType = "ovs.tunnel.type"
	keyTunnelVNI  = "ovs.tunnel.vni"
)

// vnisKey is the key of keyedLocks for the allocations.
const vnisKey = "vnis"

// allocations are the VNIs of a Swarm's networks, as far as this host knows them from having been asked. They change
// under vnisKey alone.
type allocations map[string]uint32

// AllocateNetwork completes a Swarm network's options where the user sees what is wrong with them: a network of a Swarm
// reaches across hosts, by VXLAN if nothing else is said, with the VNI that it has, or a free one. A new leader asks for
// every network again, with the options that the last one answered: it gets the same.
func (o *door) AllocateNetwork(ctx context.Context, r api.AllocateNetworkRequest) (api.AllocateNetworkResponse, error) {
	var none api.AllocateNetworkResponse
	if err := checkIDs(r.NetworkID); err != nil {
		return none, err
	}
	options := maps.Clone(r.Options)
	opts, err := config.ParseNetwork(options, nil)
	if err != nil {
		return none, err
	}
	if !opts.Tunnel.On() {
		options[keyTunnelType] = config.TunnelVXLAN
		if _, err = config.ParseNetwork(options, nil); err != nil {
			return none, err
		}
	}
	vni, err := o.d.allocate(ctx, r.NetworkID, opts.Tunnel.VNI)
	if err != nil {
		return none, err
	}
	if opts.Tunnel.VNI == 0 {
		options[keyTunnelVNI] = strconv.FormatUint(uint64(vni), 10)
	}
	return api.AllocateNetworkResponse{Options: options}, nil
}

// FreeNetwork gives a network's VNI back.
func (o *door) FreeNetwork(ctx context.Context, r api.FreeNetworkRequest) error {
	if err := checkIDs(r.NetworkID); err != nil {
		return err
	}
	d := o.d
	unlock, err := d.locks.lock(ctx, vnisKey)
	if err != nil {
		return err
	}
	defer unlock()
	if _, ok := d.vnis[r.NetworkID]; !ok {
		return nil
	}
	delete(d.vnis, r.NetworkID)
	if err := d.journal.saveVNIs(d.vnis); err != nil {
		// An error would keep Swarm from removing the network, and costs no more than a number.
		d.log.Warn("a VNI that is free again may stay taken", "network", short(r.NetworkID), "err", err)
	}
	return nil
}

// allocate gives a network its VNI: the given one, the one that it has, or a free one; given 0 is none.
func (d *Driver) allocate(ctx context.Context, id string, given uint32) (uint32, error) {
	unlock, err := d.locks.lock(ctx, vnisKey)
	if err != nil {
		return 0, err
	}
	defer unlock()
	taken := map[uint32]string{}
	d.mu.Lock()
	for other, n := range d.world.networks {
		taken[n.opts.Tunnel.VNI] = other
	}
	d.mu.Unlock()
	for other, vni := range d.vnis {
		taken[vni] = other
	}
	vni, had := given, d.vnis[id]
	switch {
	case given != 0:
		// Which of two networks with one VNI is to go is not for us to say, nor whether the other is still there: an
		// earlier leader is not told of what its successor frees. A host that gets both refuses the second.
		if other, ok := taken[given]; ok && other != id {
			d.log.Warn("two networks of the Swarm were given one VNI", "vni", given, "network", short(id), "other", short(other))
		}
	case had != 0:
		vni = had
	default:
		if vni, err = freeVNI(id, taken, firstVNI, lastVNI); err != nil {
			return 0, err
		}
	}
	if vni == had {
		return vni, nil
	}
	d.vnis[id] = vni
	if err := d.journal.saveVNIs(d.vnis); err != nil {
		if had == 0 {
			delete(d.vnis, id)
		} else {
			d.vnis[id] = had
		}
		return 0, err
	}
	d.log.Info("VNI allocated", "network", short(id), "vni", vni)
	return vni, nil
}

// vniTries is how many VNIs that follow from a network's id are tried before any that is free.
const vniTries = 64

// freeVNI chooses a VNI from first to last by the network's id, so that two leaders that know the same choose the same.
func freeVNI(id string, taken map[uint32]string, first, last uint32) (uint32, error) {
	free := func(vni uint32) bool {
		other, ok := taken[vni]
		return !ok || other == id
	}
	var vni uint32
	span := uint64(last - first + 1)
	for i := range vniTries {
		sum := sha256.Sum256(fmt.Appendf(nil, "vni %s#%d", id, i))
		vni = first + uint32(binary.BigEndian.Uint64(sum[:])%span&0xffffffff)
		if free(vni) {
			return vni, nil
		}
	}
	for range span {
		if vni++; vni > last {
			vni = first
		}
		if free(vni) {
			return vni, nil
		}
	}
	return 0, fmt.Errorf("network %s: all VNIs from %d to %d are %w; give ovs.tunnel.vni", short(id), first, last, ErrTaken)
}

// keptVNIs is what is kept of the allocations: a leader whose plugin starts again is not told of its networks.
type keptVNIs struct {
	Version  int         `json:"version"`
	Networks allocations `json:"networks"`
}

const keptVNIsVersion = 1

func (j *journal) vnisPath() string { return filepath.Join(filepath.Dir(j.dir), "vnis"+journalSuffix) }

func (j *journal) saveVNIs(a allocations) error {
	return j.saveFile(j.vnisPath(), keptVNIs{Version: keptVNIsVersion, Networks: a}, len(a) == 0)
}

// loadVNIs reads the allocations back; never nil.
func (j *journal) loadVNIs() (allocations, error) {
	data, err := readBounded(j.vnisPath())
	if errors.Is(err, fs.ErrNotExist) {
		return allocations{}, nil
	}
	var a allocations
	if err == nil {
		a, err = decodeVNIs(data)
	}
	if err != nil {
		return allocations{}, fmt.Errorf("journal %s: %w", filepath.Base(j.vnisPath()), err)
	}
	return a, nil
}

func decodeVNIs(data []byte) (allocations, error) {
	var k keptVNIs
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, err
	}
	if k.Version < 1 || k.Version > keptVNIsVersion {
		return nil, fmt.Errorf("version %d is not this program's %d", k.Version, keptVNIsVersion)
	}
	for id, vni := range k.Networks {
		if checkIDs(id) != nil || vni == 0 {
			return nil, fmt.Errorf("network %q has VNI %d", id, vni)
		}
	}
	if k.Networks == nil {
		k.Networks = allocations{}
	}
	return k.Networks, nil
}
