-- Read a caller's run. ARGV: run id, caller, kind. Answers its fields or false.
local state = redis.call('HMGET', run_key(ARGV[1]), 'caller', 'kind')
if state[1] ~= ARGV[2] or state[2] ~= ARGV[3] then return false end
return redis.call('HGETALL', run_key(ARGV[1]))
