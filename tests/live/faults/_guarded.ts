/**
 * A storage that a lock guards: it takes a write only with a fencing token that is not lower
 * than one that it has seen, as anything must that a lock is to protect.
 */
export const GUARDED = `
local seen = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) < seen then return 'refused' end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1] .. ':' .. ARGV[2])
return 'stored'
`;
