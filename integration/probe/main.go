// SPDX-License-Identifier: Apache-2.0

// Command probe makes and checks traffic inside the containers of the
// end-to-end tests. It is static and needs nothing but a kernel.
//
//	probe serve ADDR                      TCP: answer a stream with its SHA-256; UDP: echo; until SIGTERM
//	probe ipam SOCKET                     a Docker IPAM driver that lets pools overlap
//	probe tcp ADDR BYTES                  send random bytes, compare the SHA-256
//	probe udp ADDR BYTES                  send a datagram, compare the echo
//	probe send IFACE HEX [HEX...]         send raw Ethernet frames
//	probe sniff IFACE HEX STOPHEX SECONDS count frames that contain HEX until one with STOPHEX came
//	probe capture IFACE                   tell frames that arrive until it is killed
//	probe agent IFACE SOCKET              send and tell frames for who connects to the unix socket
//	probe flood IFACE SECONDS COUNT HEX[/FROM-TO...]...
//	                                      send frames with random bytes, evenly over the time
//	probe group IFACE ADDR                join a multicast group, tell what comes until "end" does
//	probe ping ADDR COUNT RATE            ICMP echo requests, RATE a second: how many were lost
//	probe watch MILLISECONDS ADDR...      ICMP echo requests: when addresses begin and cease to answer, until SIGTERM
//	probe seen ADDR...                    TCP and UDP: tell each client its address, then echo; until SIGTERM
//	probe ask MILLISECONDS tcp|udp/ADDR...
//	                                      ask servers like that, all at once: a line each, the address or "-"
//	probe hold ADDR FILE                  talk over one TCP connection until the file is there
//	probe gaps RATE FILE ADDR...          ICMP echo requests until the file is there: lost ones, longest gap
//	probe stream ADDR FILE                talk to seen over one TCP connection until the file is there, and
//	                                      hold that every byte comes back
//	probe rtt ADDR COUNT                  median time of small UDP echoes, in nanoseconds
//	probe connect ADDR COUNT              median time until a TCP connection stands, in nanoseconds
//
// It prints one line and ends with status 0 when all went well.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no command")
	}
	command, args := args[0], args[1:]
	switch {
	case command == "serve" && len(args) == 1:
		return serve(args[0])
	case command == "ipam" && len(args) == 1:
		return ipam(args[0])
	case command == "tcp" && len(args) == 2:
		return withNumber(args[1], func(n int) error { return tcp(args[0], n) })
	case command == "udp" && len(args) == 2:
		return withNumber(args[1], func(n int) error { return udp(args[0], n) })
	case command == "send" && len(args) >= 2:
		return send(args[0], args[1:])
	case command == "sniff" && len(args) == 4:
		return withNumber(args[3], func(n int) error {
			return sniff(args[0], args[1], args[2], time.Duration(n)*time.Second)
		})
	case command == "capture" && len(args) == 1:
		return capture(args[0])
	case command == "agent" && len(args) == 2:
		return agent(args[0], args[1])
	case command == "flood" && len(args) >= 4:
		return withNumber(args[1], func(seconds int) error {
			return withNumber(args[2], func(count int) error { return flood(args[0], seconds, count, args[3:]) })
		})
	case command == "group" && len(args) == 2:
		return group(args[0], args[1])
	case command == "ping" && len(args) == 3:
		return withNumber(args[1], func(count int) error {
			return withNumber(args[2], func(rate int) error { return ping(args[0], count, rate) })
		})
	case command == "watch" && len(args) >= 2:
		return withNumber(args[0], func(ms int) error { return watch(time.Duration(ms)*time.Millisecond, args[1:]) })
	case command == "seen" && len(args) >= 1:
		return seen(args)
	case command == "ask" && len(args) >= 2:
		return withNumber(args[0], func(ms int) error { return ask(time.Duration(ms)*time.Millisecond, args[1:]) })
	case command == "hold" && len(args) == 2:
		return hold(args[0], args[1])
	case command == "gaps" && len(args) >= 3:
		return withNumber(args[0], func(rate int) error { return gaps(rate, args[1], args[2:]) })
	case command == "stream" && len(args) == 2:
		return stream(args[0], args[1])
	case command == "rtt" && len(args) == 2:
		return withNumber(args[1], func(n int) error { return roundTrips(args[0], n) })
	case command == "connect" && len(args) == 2:
		return withNumber(args[1], func(n int) error { return connections(args[0], n) })
	}
	return fmt.Errorf("%s: no such command, or wrong arguments", command)
}

func withNumber(text string, do func(int) error) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	return do(n)
}
