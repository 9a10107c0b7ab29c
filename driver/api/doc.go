// SPDX-License-Identifier: Apache-2.0

// Package api speaks Docker's plugin protocol: HTTP POST of JSON to a unix
// socket, one path per verb ("/NetworkDriver.Join"), as libnetwork's remote
// driver sends it (moby, daemon/libnetwork/drivers/remote).
//
// A Server turns each call into a call of a Driver with typed arguments and a
// context, and the answer back into the JSON that the engine expects. Engines
// from 20.10 to 29 are served. What comes from outside is bounded and checked
// here, so that a Driver sees only well-formed requests: the size of a body,
// the time of a call, the number of calls at once, every address, MAC address
// and identifier.
package api
