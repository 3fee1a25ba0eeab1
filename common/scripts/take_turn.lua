-- Promise a refused job room. ARGV: lane, turn, max_backlog_tokens, tokens per second, longest wait in s.
-- Answers the seconds after which to come back. Four times a lane may be promised, to one caller half of that, so that
-- nobody can hold a lane by asking; beyond, the time is told without a promise.
local lane, turn, limit, rate, longest_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local turns = turns_key(lane)
drop_passed_turns(lane)
local turn_at = redis.call('ZSCORE', turns, turn)
if turn_at and tonumber(turn_at) > now then return math.ceil((tonumber(turn_at) - now) / 1000) end
drop_turn(lane, turn)

local tokens, held = tokens_of(turn), held_tokens(lane, '*')
local backlog = tonumber(redis.call('HGET', root .. 'backlog_tokens', lane) or '0')
local freed_in_s = (backlog + held + math.min(tokens, limit) - limit) / rate
local wait_s = math.min(longest_s, math.max(1, math.ceil(freed_in_s)))
if held_tokens(lane, string.match(turn, '^%S+')) + tokens > 2 * limit or held + tokens > 4 * limit then return wait_s end

redis.call('ZADD', turns, now + 1000 * wait_s, turn)
hold(lane, turn, 1)
local last_at = tonumber(redis.call('ZRANGE', turns, -1, -1, 'WITHSCORES')[2])
for _, key in ipairs({turns, held_key(lane)}) do redis.call('PEXPIREAT', key, last_at + turn_grace_ms) end
return wait_s
