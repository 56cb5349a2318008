-- Streams give way to jobs that wait. Needs lib/clock.lua, notes, node, slot, job_head, choice, stream.

local STREAMS_PER_READ = 16

-- The owner of the stream is told, so that the node is, and its utterance waits for its cut.
local function reclaim(stream)
  local node = close_stream(stream)
  post(stream.owner, 'kind', 'stream_taken', 'job', stream.id, 'attempt', stream.attempt,
    'node', stream.node, 'instance', node and node.owner or '', 'epoch', node and node.epoch or '0',
    'due_ms', '0')
  return node
end

-- The youngest stream of an index for which `fits(node_id)` holds, with its time. What is there without
-- being a stream any more is dropped.
local function youngest_in(index, fits)
  local from = 0
  while true do
    local rows = call('ZREVRANGE', index, from, from + STREAMS_PER_READ - 1, 'WITHSCORES')
    for n = 1, #rows, 2 do
      local node_id, id = string.match(rows[n], '^(%S+) (%S+)$')
      if fits(node_id) then
        local stream = is_stream(id) and load_job_head(id)
        if stream then
          return stream, tonumber(rows[n + 1])
        end
        call('ZREM', index, rows[n])
        from = from - 1
      end
    end
    if #rows < 2 * STREAMS_PER_READ then
      return nil
    end
    from = from + STREAMS_PER_READ
  end
end

-- The youngest stream at nodes that could have the job; `only`: at this node.
local function youngest_stream(job, excluded, only)
  local function fits(node_id)
    return not is_excluded(node_id, excluded) and (only == nil or node_id == only)
  end
  if is_at_cap(job) then
    return youngest_in(tenant_streams(job.tenant), function(node_id)
      local node = fits(node_id) and load_node(node_id)
      return node and can_serve(node, job.requirement) and not is_doubted(node)
    end)
  end
  local sets = capable_sets(job.requirement, '')
  sets[#sets + 1] = prefix .. 'groups:streaming'
  local best, best_time = nil, -1
  for _, gid in ipairs(call('SINTER', unpack(sets))) do
    if is_open_to(gid, job.requirement) then
      local stream, time = youngest_in(prefix .. 'grp:' .. gid .. ':streams', fits)
      if stream and time > best_time then
        best, best_time = stream, time
      end
    end
  end
  return best
end

-- Frees a slot for a job that would wait otherwise. Returns its node.
local function make_room(job, excluded, only)
  if call('EXISTS', prefix .. 'groups:streaming') == 0 then
    return nil
  end
  local stream = youngest_stream(job, effective_exclusion(job.requirement, excluded), only)
  local node = stream and reclaim(stream)
  if node then
    place_node(node)
  end
  return node
end

local function youngest_at(node)
  if call('SISMEMBER', prefix .. 'groups:streaming', node.group) == 0 then
    return nil
  end
  return youngest_in(prefix .. 'grp:' .. node.group .. ':streams', function(node_id)
    return node_id == node.id
  end)
end

local function has_stream(node)
  return youngest_at(node) ~= nil
end

-- Frees a slot of a node that has none free, if a stream has it; says whether it has one now.
local function make_room_at(node)
  reclaim(youngest_at(node))
  return used_slots(node) < places(node)
end
