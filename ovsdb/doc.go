// SPDX-License-Identifier: Apache-2.0

// Package ovsdb is ovsnet's view of the Open_vSwitch database (RFC 7047,
// ovs-vswitchd.conf.db(5)): the bridges and ports that are ovsnet's, who they
// belong to, and changes to them in groups.
//
// A Client keeps one connection and one monitor, limited to the rows that carry
// its owner mark in external_ids, so its cost follows ovsnet's own rows and not
// what else lives on the switch. Whether a row is absent, ours or a stranger's is
// decided by the database, inside the transaction that changes it; what the
// client remembers is only a guess at the right transaction, and a wrong guess is
// corrected and tried again.
//
// Commit returns when ovs-vswitchd has applied the change: it raises
// Open_vSwitch:next_cfg in the same transaction and waits for cur_cfg, as
// ovs-vsctl does, and then reads Interface:ofport and Interface:error.
//
// Bridge:ports is never monitored: that column is as long as the bridge has
// ports, and reading it again for every port would make the last port of a big
// bridge dearer than the first.
package ovsdb
