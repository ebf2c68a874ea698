/**
 * Redis in company: a primary with replicas under sentinels, and a cluster.
 *
 * @module
 */

export { ClusterTopology, type ClusterTopologyOptions } from "./cluster_topology.ts";
export { SentinelTopology, type SentinelTopologyOptions } from "./sentinel_topology.ts";
