// SPDX-License-Identifier: Apache-2.0

// Package driver is the house behind the doors: it holds what should be (the world), lets Docker's verbs change it,
// and makes Open vSwitch, its flow tables and the host's links agree with it (the loop and its audit).
//
// A verb answers when packets can flow, or with an error and with everything it began undone. Each may be called
// again with the same arguments.
package driver
