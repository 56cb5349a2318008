-- At its cut a stream becomes a job like any other. Needs lib/create.lua, stream.

-- Returns the reply that ends the script, or nil where the node has it no more: then it needs another
-- attempt, for that node may have heard of this one.
local function keep_stream()
  local stream = is_stream(job) and load_job_head(job)
  if not stream then
    return nil
  end
  local node = load_node(stream.node)
  if stream.owner ~= instance or not node or node.state == 'offline' then
    close_stream(stream)
    return nil
  end
  leave_streams(stream, node)
  local key, deadline = prefix .. 'job:' .. job, now + deadline_ms
  local due = math.min(now + job_ms, deadline)
  call('HDEL', key, 'stream')
  call('HSET', key, 'index', index, 'cut', cut, 'turned', '0', 'part', part, 'cost', cost_ms,
    'due', int(due), 'deadline', int(deadline), 'requirement', requirement,
    'preference', preference, 'job_ms', job_ms, 'cut_at', now_text)
  call('EXPIRE', key, RECORD_TTL_S)
  call('ZADD', prefix .. 'inst:' .. instance .. ':jobs', int(due), job)
  if session_record[2] ~= node.id then
    call('HSET', session_key, 'last', node.id)
  end
  return { 'ASSIGNED', job, stream.attempt, node.id, node.owner, node.epoch, due - now, 0, {} }
end
