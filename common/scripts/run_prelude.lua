-- Shared by the scripts of bulk runs and files.
local function run_key(id) return root .. 'run:' .. id end
local function open_key(id) return root .. 'run_open:' .. id end
local function parts_key(id) return root .. 'run_parts:' .. id end
local function file_key(id) return root .. 'file:' .. id end

local function item_job(run_id, index)
  return 'job_' .. string.match(run_id, '_(%x+)$') .. string.format('%06x', index)
end

-- Nobody leased the run after this token was given: only then may its holder write.
local function feeds(id, token) return redis.call('HGET', run_key(id), 'fencing_token') == token end

local function run_status(id) return redis.call('HGET', run_key(id), 'status') end

local function move_run(id, status) redis.call('HSET', run_key(id), 'status', status, status .. '_at_ms', now) end

local ended = {failed = true, completed = true, expired = true, cancelled = true}
local function has_ended(id) return ended[run_status(id)] == true end

-- Something of the run got on: what failed before it counts no more.
local function got_on(id)
  redis.call('HDEL', run_key(id), 'outages', 'faults', 'closed_faults', 'permanent_faults')
end

-- Give a lease back. The token is used up, so that whatever its holder still has under way is refused.
local function give_back(id, wait_ms)
  redis.call('HINCRBY', run_key(id), 'fencing_token', 1)
  redis.call('ZREM', root .. 'run_leases', id)
  redis.call('HSET', run_key(id), 'not_before_ms', now + wait_ms)
end

-- Nothing is left to do for an ended run.
local function close_run(id, keep_ms)
  redis.call('ZREM', root .. 'runs_active', id)
  redis.call('ZREM', root .. 'run_leases', id)
  redis.call('PEXPIRE', run_key(id), keep_ms)
  redis.call('PEXPIRE', parts_key(id), keep_ms)
end

local function remove_job(job, caller)
  redis.call('DEL', job_key(job), root .. 'events:' .. job)
  redis.call('ZREM', root .. 'expiring', job .. ' ' .. caller)
end

-- End the jobs of a run's open items, whose records nobody will write; one that runs goes soon after its worker ended it.
local function abandon_items(id)
  local caller = redis.call('HGET', run_key(id), 'caller')
  for _, index in ipairs(redis.call('HKEYS', open_key(id))) do
    local job = item_job(id, index)
    ask_cancel(job)
    if field(job, 'status') == 'running' then
      redis.call('HSET', job_key(job), 'result_ttl_ms', 60000)
    else
      remove_job(job, caller)
    end
  end
  redis.call('DEL', open_key(id))
end

-- The queries of a collection by id.
local function collection_queries_key(collection) return root .. 'collection_queries:' .. collection end

-- A page of an index of runs, newest first; runs whose records are gone leave the index.
local function page_of_runs(index, below, most)
  local runs, from = {}, below == '' and '+' or '(' .. below
  while #runs < most do
    local ids = redis.call('ZREVRANGEBYLEX', index, from, '-', 'LIMIT', 0, most - #runs)
    if #ids == 0 then return runs end
    for _, id in ipairs(ids) do
      local fields = redis.call('HGETALL', run_key(id))
      if #fields > 0 then runs[#runs + 1] = fields else redis.call('ZREM', index, id) end
      from = '(' .. id
    end
  end
  return runs
end

local function keep_file(p)
  redis.call('HSET', file_key(p.id), 'id', p.id, 'caller', p.caller, 'purpose', p.purpose, 'filename', p.filename,
    'key', p.key, 'bytes', p.bytes, 'created_at_ms', now)
  redis.call('ZADD', root .. 'files:' .. p.caller, 0, p.id)
  if p.expires_after_s then
    redis.call('HSET', file_key(p.id), 'expires_at_ms', now + p.expires_after_s * 1000)
    redis.call('ZADD', root .. 'files_expiring', now + p.expires_after_s * 1000, p.id)
  end
end

-- The record goes; the bytes follow when somebody has removed them.
local function doom_file(id)
  local state = redis.call('HMGET', file_key(id), 'caller', 'key')
  if not state[1] then return end
  redis.call('ZADD', root .. 'doomed_blobs', now, state[2])
  redis.call('ZREM', root .. 'files:' .. state[1], id)
  redis.call('ZREM', root .. 'files_expiring', id)
  redis.call('DEL', file_key(id))
end

local function release_input(id)
  local input = redis.call('HGET', run_key(id), 'input_file_id')
  if input and redis.call('EXISTS', file_key(input)) == 1 then redis.call('HINCRBY', file_key(input), 'in_use', -1) end
end
