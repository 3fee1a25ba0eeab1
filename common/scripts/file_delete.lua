-- Delete a caller's file. ARGV: file id, caller. Answers 'deleted', 'in_use', or false if there is none.
local state = redis.call('HMGET', file_key(ARGV[1]), 'caller', 'in_use')
if state[1] ~= ARGV[2] then return false end
if tonumber(state[2] or '0') > 0 then return 'in_use' end
doom_file(ARGV[1])
return 'deleted'
