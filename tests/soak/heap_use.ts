/**
 * What the heap is used for. The two are told apart as compiled code grows for a quarter of
 * an hour and more where faults strike once in 5 s: functions that run seldom are compiled
 * late, and again when they have run more often. There is a bound to it, the text of the
 * program. Who keeps making code and keeps it keeps objects as well, several times as much.
 */
import { getHeapSpaceStatistics } from "node:v8";

/** Where V8 keeps what it compiles, and nothing else: bytecode, machine code and what
 * belongs to them. */
const OF_CODE = /^(?:shared_)?(?:code|trusted)_(?:large_object_)?space$/;

/** Bytes in use, by what for. */
export interface HeapUse {
  /** Objects, texts and numbers; of code what is made when it is loaded. */
  readonly objects: number;
  /** What is compiled, and thrown away, as functions are run more or less often. */
  readonly code: number;
}

/** What the heap is used for now. */
export function heapUse(): HeapUse {
  const use = { objects: 0, code: 0 };
  for (const { space_name, space_used_size } of getHeapSpaceStatistics()) {
    use[OF_CODE.test(space_name) ? "code" : "objects"] += space_used_size;
  }
  return use;
}
