-- Let documents be read again whose pages are not kept any more. ARGV: JSON list of ids. Answers how many are.
local queued = 0
for _, id in ipairs(cjson.decode(ARGV[1])) do
  -- One that was deleted, or that another caller queued already, is left alone.
  if redis.call('HGET', document_key(id), 'status') == 'ready' then
    read_again(id)
    queued = queued + 1
  end
end
return queued
