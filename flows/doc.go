// SPDX-License-Identifier: Apache-2.0

// Package flows says what every bridge does with a frame: the pipeline page (tables, rows, registers, cookie), flows,
// groups and meters as values with the text of ovs-ofctl, and the compiler that turns a bridge, a network or a port
// into flows.
//
// Everything here is pure: no clock, no I/O, no state. A change recompiles the object that changed and nothing else;
// package flows/openflow carries the result to a switch.
package flows
