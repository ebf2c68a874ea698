import { assertEquals } from "@std/assert";
import { type Linked, LinkedQueue } from "../../../src/pool/linked_queue.ts";

class Member implements Linked<Member> {
  previous: Member | undefined;
  next: Member | undefined;
  constructor(readonly name: string) {}
}

function members(...names: string[]): Member[] {
  return names.map((name) => new Member(name));
}

function namesOf(queue: LinkedQueue<Member>): string {
  return [...queue].map(({ name }) => name).join("");
}

Deno.test("LinkedQueue.remove() takes members out at either end and in between", () => {
  const [a, b, c, d] = members("a", "b", "c", "d");
  const queue = new LinkedQueue<Member>();
  for (const member of [a!, b!, c!, d!]) queue.push(member);
  assertEquals([namesOf(queue), queue.length], ["abcd", 4]);
  queue.remove(b!);
  assertEquals(namesOf(queue), "acd");
  queue.remove(a!);
  assertEquals([queue.head, queue.tail], [c, d]);
  queue.remove(d!);
  assertEquals([queue.head, queue.tail, queue.length], [c, c, 1]);
  queue.remove(c!);
  assertEquals([queue.head, queue.tail, queue.length], [undefined, undefined, 0]);
  queue.push(b!);
  queue.push(a!);
  assertEquals(namesOf(queue), "ba");
});

Deno.test("LinkedQueue lets the member just given be removed while it is walked", () => {
  const queue = new LinkedQueue<Member>();
  for (const member of members("a", "b", "c")) queue.push(member);
  const walked: string[] = [];
  for (const member of queue) {
    walked.push(member.name);
    queue.remove(member);
  }
  assertEquals([walked.join(""), queue.length], ["abc", 0]);
});
