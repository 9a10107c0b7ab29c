// SPDX-License-Identifier: Apache-2.0

// Package openflow programs one bridge of Open vSwitch over OpenFlow 1.5.1 on
// its management socket, <rundir>/<bridge>.mgmt.
//
// A [Conn] takes an [Update] (flows to add, flows to delete, group changes) and
// makes it one atomic bundle: either the whole of it is in the switch when
// Apply returns nil, or none of it is and the error says which flow or group
// the switch refused and why (but see InOneGo of [Update]). Meters cannot be in
// a bundle and have a call of their own. The Dump calls read back what is
// there, as the same values.
//
// The codec covers what package flows can say, in OpenFlow 1.5's own words
// where it has them (set_field, copy_field) and in Open vSwitch's extensions
// where it does not (resubmit, learn, ct, output to a register). It was written
// for what Open vSwitch does, which is not always what the document says:
//
//   - an "atomic" bundle commits although one of its messages was refused while
//     being added, so replies are awaited before COMMIT and any error discards;
//   - OpenFlow 1.5 has no reg_load; Open vSwitch refuses its own there;
//   - a meter_mod is refused inside a bundle;
//   - Open vSwitch reports matches on registers in pairs, as 64-bit ones;
//   - both sides block for ever if one writes without reading.
//
// What the decoder does not know it keeps as [flows.Raw] or reports with
// FlowStats.Unknown; it never fails on a stranger's flow.
package openflow
