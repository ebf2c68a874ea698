/**
 * The chance that a caller has to wait where callers come at random, the servers are all
 * the same, and the times of service are exponentially distributed (M/M/c): Erlang's C
 * formula, by the recursion of his B formula, which has no factorials to overflow.
 *
 * @param servers How many there are, 1 or more.
 * @param load Servers that are busy on average: rate times the time of service, less than
 * `servers`.
 * @returns From 0 to 1; 1 where the load is too much for the servers.
 */
export function erlangC(servers: number, load: number): number {
  if (load >= servers) return 1;
  let blocked = 1;
  for (let n = 1; n <= servers; n++) blocked = load * blocked / (n + load * blocked);
  return servers * blocked / (servers - load * (1 - blocked));
}

/**
 * The mean wait of a caller in the same queue, those that do not wait included.
 *
 * @param servers How many there are.
 * @param load Servers that are busy on average.
 * @param serviceMs Mean time of service, in milliseconds.
 * @returns Milliseconds; infinite where the load is too much.
 */
export function meanWaitMs(servers: number, load: number, serviceMs: number): number {
  if (load >= servers) return Infinity;
  return erlangC(servers, load) * serviceMs / (servers - load);
}

/**
 * The wait that a share of the callers does not exceed, in the same queue.
 *
 * @param servers How many there are.
 * @param load Servers that are busy on average.
 * @param serviceMs Mean time of service, in milliseconds.
 * @param share Such as 0.99.
 * @returns Milliseconds; 0 where so many do not wait at all.
 */
export function waitQuantileMs(
  servers: number,
  load: number,
  serviceMs: number,
  share: number,
): number {
  if (load >= servers) return Infinity;
  const waiting = erlangC(servers, load);
  // Those that wait do so for an exponentially distributed time.
  return Math.max(0, Math.log(waiting / (1 - share)) * serviceMs / (servers - load));
}

/**
 * The mean wait where callers come at random, there is one server, and each takes the same
 * time (M/D/1): the formula of Pollaczek and Khinchine.
 *
 * @param load Share of the time that the server is busy.
 * @param serviceMs Time of service, in milliseconds.
 * @returns Milliseconds; infinite where the load is too much.
 */
export function meanWaitOfEqualMs(load: number, serviceMs: number): number {
  return load >= 1 ? Infinity : load * serviceMs / (2 * (1 - load));
}
