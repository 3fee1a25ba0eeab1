-- End a run: one part a stream replaces the many, and files of the caller are made. ARGV: run id, fencing token,
-- JSON {parts, files}. Answers the status, or false if the lease passed on.
local id, token, p = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
if not feeds(id, token) then return false end
local status = run_status(id)
if status ~= 'finalizing' and status ~= 'cancelling' then return status end
if redis.call('HLEN', open_key(id)) > 0 then return status end
redis.call('DEL', parts_key(id))
for _, part in ipairs(p.parts) do redis.call('RPUSH', parts_key(id), cjson.encode(part)) end
for _, file in ipairs(p.files) do
  file.caller, file.purpose = redis.call('HGET', run_key(id), 'caller'), 'batch_output'
  keep_file(file)
  redis.call('HSET', run_key(id), file.stream .. '_file_id', file.id)
end
release_input(id)
local expired = tonumber(redis.call('HGET', run_key(id), 'expired') or '0')
move_run(id, status == 'cancelling' and 'cancelled' or expired > 0 and 'expired' or 'completed')
got_on(id)
redis.call('PUBLISH', root .. 'notify', id)
return run_status(id)
