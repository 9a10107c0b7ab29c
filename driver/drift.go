// SPDX-License-Identifier: Apache-2.0

package driver

// The kinds of drift: what can differ from what should be, in the words of status, of the metrics and of docs/faults.md.
const (
	driftBridge      = "bridge"
	driftPort        = "port"
	driftBridgeLeft  = "bridge removed"
	driftPortLeft    = "port removed"
	driftFlow        = "flow"
	driftGateway     = "gateway"
	driftLink        = "link"
	driftLinkLeft    = "link removed"
	driftLinkLost    = "link lost"
	driftFirewall    = "firewall"
	driftJournal     = "journal"
	driftEndpointOld = "orphan endpoint"
	driftNetworkOld  = "orphan network"
)

// Drift is one kind of difference between what should be and what is, and what is done about it.
type Drift struct{ Kind, Doc string }

// Drifts lists every kind that the audit repairs and counts.
func Drifts() []Drift {
	return []Drift{
		{driftBridge, "A bridge's rows in the database are missing or changed: written again"},
		{driftPort, "A port's rows are missing or changed, or its number is gone: written again"},
		{driftBridgeLeft, "A bridge with our mark that no network stands for: removed"},
		{driftPortLeft, "A port with our mark that no endpoint stands for: removed"},
		{driftFlow, "A flow, group or meter of ours is missing, changed or too many: put right, in one bundle; what matches keeps its counters"},
		{driftGateway, "The gateway's link is down, or has another MAC, MTU or addresses: put right"},
		{driftLink, "The host's end of a veth pair is down, or has another MTU or no alias: put right"},
		{driftLinkLeft, "A veth pair with our mark that no endpoint stands for and no container holds, or that was left half made: removed"},
		{driftLinkLost, "The veth pair of an endpoint is gone, and with it the container's end: its port, flows and published ports are removed"},
		{driftFirewall, "A rule, set element, sysctl or socket of published ports is missing or changed: put right"},
		{driftJournal, "A file of the journal is missing or changed: written again; or is of an endpoint that is no more: removed"},
		{driftEndpointOld, "An endpoint that Docker does not know and no container holds: removed"},
		{driftNetworkOld, "A network that Docker does not know and nothing uses: removed"},
	}
}
