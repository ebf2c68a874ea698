/**
 * The script that runs a write once. Its reply is the command's own, of the run or remembered.
 *
 * The token is a key whose value begins with the number of the last write that used it; the
 * reply follows. A client gives a token that is free to its next write, with a higher number:
 * so a write that comes late, behind the next one, is refused, and there are no more tokens
 * than writes that were in flight at once.
 *
 * An error reply of the command is remembered, too, and marked: a lost attempt that comes late
 * must not succeed. What refuses all writes for now (READONLY, OOM …) refuses this one as well:
 * such a command has not run, and may run later.
 *
 * - `KEYS`: the token, then those of the command.
 * - `ARGV`: the number; the token's time to live in ms; until when the write may begin, by the
 *   server's clock in ms ("0": not known), or "recall" to ask only; "3" for a reply of RESP3
 *   types; the command.
 *
 * @module
 */

/** Length of the number of a write: digits, so that later ones compare higher. */
export const NUMBER_LENGTH = 12;

/** The script. */
export const ONCE_SCRIPT: string = `
if ARGV[4] == '3' then redis.setresp(3) end
local old = redis.pcall('GET', KEYS[1])
if old then
  if type(old) == 'table' then return old end
  local last = string.sub(old, 1, ${NUMBER_LENGTH})
  if last > ARGV[1] then return {err = 'ONCE superseded'} end
  if last == ARGV[1] and #old > ${NUMBER_LENGTH} then
    return cmsgpack.unpack(string.sub(old, ${NUMBER_LENGTH + 1}))
  end
end
local till = ARGV[3]
if till == 'recall' then return {err = 'ONCE unknown'} end
if not old then
  -- The token may have expired since the write was sent again and has run.
  if till ~= '0' then
    local time = redis.call('TIME')
    if time[1] * 1000 + time[2] / 1000 > tonumber(till) then return {err = 'ONCE late'} end
  end
  -- Whether the user may write it; once a write is made, memory is not refused any more.
  local made = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if made.err and not string.find(made.err, 'OOM', 1, true) then return made end
end
local reply = redis.pcall(unpack(ARGV, 5))
local failed = type(reply) == 'table' and reply.err
if failed then reply = {err = 'ONCE said ' .. failed} end
local kept = redis.pcall('SET', KEYS[1], ARGV[1] .. cmsgpack.pack(reply), 'PX', ARGV[2])
if not kept.err then return reply end
return {err = failed or 'ONCE forgotten ' .. kept.err}
`.trim();
