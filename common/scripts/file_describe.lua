-- Read a caller's file. ARGV: file id, caller. Answers its fields or false.
if redis.call('HGET', file_key(ARGV[1]), 'caller') ~= ARGV[2] then return false end
return redis.call('HGETALL', file_key(ARGV[1]))
