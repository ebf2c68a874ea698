/**
 * The script that runs writes once. Its reply is the list of theirs, of the run or remembered.
 *
 * The token is a key whose value begins with the number of the last run that used it; the
 * replies follow. A client gives a token that is free to its next run, with a higher number:
 * so a run that comes late, behind the next one, is refused, and there are no more tokens
 * than runs that were in flight at once.
 *
 * Errors of the commands are remembered, too: a lost attempt that comes late must not
 * succeed. What refuses all writes for now (READONLY, OOM …) refuses this as well: then
 * nothing has run, and it may run later.
 *
 * - `KEYS`: the token, then those of the commands.
 * - `ARGV`: the number; the token's time to live in ms; until when it may begin, by the
 *   server's clock in ms ("0": not known), or "recall" to ask only; "3" for a reply of RESP3
 *   types; then for each command the number of its words, and these.
 *
 * @module
 */

/** Length of the number of a run: digits, so that later ones compare higher. */
export const NUMBER_LENGTH = 12;

/** The script. */
export const ONCE_SCRIPT: string = `
local token, number, ttl, till = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local old = redis.pcall('GET', token)
if old then
  if type(old) == 'table' then return old end
  local last = string.sub(old, 1, ${NUMBER_LENGTH})
  if last > number then return {err = 'ONCE superseded'} end
  if last == number and #old > ${NUMBER_LENGTH} then
    return cmsgpack.unpack(string.sub(old, ${NUMBER_LENGTH + 1}))
  end
end
if till == 'recall' then return {err = 'ONCE unknown'} end
if not old then
  -- The token may have expired since the run was sent again and was made.
  if till ~= '0' then
    local time = redis.call('TIME')
    if time[1] * 1000 + time[2] / 1000 > tonumber(till) then return {err = 'ONCE late'} end
  end
  -- Whether the user may write it; once a write is made, memory is not refused any more.
  local made = redis.pcall('SET', token, number, 'PX', ttl)
  if made.err and not string.find(made.err, 'OOM', 1, true) then return made end
end
if ARGV[4] == '3' then redis.setresp(3) end
local replies, at, total = {}, 5, #ARGV
local count = 0
while at < total do
  local last = at + ARGV[at]
  local reply = redis.pcall(unpack(ARGV, at + 1, last))
  count = count + 1
  replies[count] = reply
  at = last + 1
end
local kept = redis.pcall('SET', token, number .. cmsgpack.pack(replies), 'PX', ttl)
if not kept.err then return replies end
for i = 1, count do
  local reply = replies[i]
  if type(reply) ~= 'table' or not reply.err then
    return {err = 'ONCE forgotten ' .. kept.err}
  end
end
return replies[1]
`.trim();
