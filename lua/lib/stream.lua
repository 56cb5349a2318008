-- Streams: jobs that a node has while their utterance is being spoken. Needs lib/clock.lua, node, slot.
--
-- A stream is an assigned job with the field `stream`, the time at which it was opened. Its record says
-- no more than where it is: it is bound to no request, and if it is given back before its utterance is
-- cut nothing remains of it. At the cut it becomes a job like any other. A node that is in the choice
-- has its streams in `grp:{gid}:streams`, a tenant that may use so many slots at most in
-- `tenant:{id}:streams`, the youngest last; `groups:streaming` names the groups that have any.

local STREAM_ATOM = 'x:stream'

local function index_stream(node, id, opened_at)
  if node.group ~= '' then
    call('ZADD', prefix .. 'grp:' .. node.group .. ':streams', opened_at, node.id .. ' ' .. id)
    call('SADD', prefix .. 'groups:streaming', node.group)
  end
end

local function unindex_stream(gid, node_id, id)
  local streams = prefix .. 'grp:' .. gid .. ':streams'
  if call('ZREM', streams, node_id .. ' ' .. id) == 1 and call('EXISTS', streams) == 0 then
    call('SREM', prefix .. 'groups:streaming', gid)
  end
end

-- The streams at a node, in no order: pairs of id and when it was opened.
local function streams_at(node)
  local found = {}
  for _, open in ipairs(call('HVALS', node.slots)) do
    for id in string.gmatch(open, '%S+') do
      local opened_at = call('HGET', prefix .. 'job:' .. id, 'stream')
      if opened_at then
        found[#found + 1] = { id, opened_at }
      end
    end
  end
  return found
end

local function tenant_streams(tenant)
  return prefix .. 'tenant:' .. tenant .. ':streams'
end

-- It is a job like any other from now on, or none any more: it cannot be taken back.
local function leave_streams(job, node)
  if node and node.group ~= '' then
    unindex_stream(node.group, node.id, job.id)
  end
  if job.cap > 0 then
    call('ZREM', tenant_streams(job.tenant), job.node .. ' ' .. job.id)
  end
end

-- Frees its slot and forgets it. Returns its node, to be placed, if it still has a record.
local function close_stream(job)
  local node = load_node(job.node)
  leave_streams(job, node)
  vacate(job)
  call('DEL', prefix .. 'job:' .. job.id)
  call('ZREM', prefix .. 'inst:' .. job.owner .. ':jobs', job.id)
  call('SREM', prefix .. 'session:' .. job.session .. ':jobs', job.id)
  if job.state == 'running' then
    call('ZREM', prefix .. 'jobs:running', job.id)
  end
  return node
end

local function is_stream(id)
  return call('HEXISTS', prefix .. 'job:' .. id, 'stream') == 1
end
