-- A node leaves. Needs lib/clock.lua, node, group, choice, job, queue, handover.

-- Takes the node off-line. Its open jobs keep their slots until their owners drive them on.
-- Returns rows of its open jobs, and of the segments that waited for it in particular; owners that
-- are other instances get a note the first time.
local function take_offline(node)
  local first_time = node.state ~= 'offline'
  if first_time then
    node.state = 'offline'
    settle_node(node)
    call('ZREM', prefix .. 'nodes', node.id)
    call('SREM', prefix .. 'inst:' .. node.owner .. ':nodes', node.id)
    call('EXPIRE', prefix .. 'node:' .. node.id, RECORD_TTL_S)
    call('EXPIRE', node.slots, RECORD_TTL_S)
  end
  local rows = {}
  local function add(id)
    local job = load_job(id)
    if job and not FINAL[job.state] then
      rows[#rows + 1] = { id, job.session, job.index, job.state, job.attempt, job.owner }
      if first_time and job.owner ~= instance then
        note(job.owner, 'node_lost', job, node)
      end
    end
  end
  for _, open in ipairs(call('HVALS', node.slots)) do
    for id in string.gmatch(open, '%S+') do
      add(id)
    end
  end
  for _, id in ipairs(call('ZRANGE', prefix .. 'pin:' .. node.id, 0, -1)) do
    add(id)
  end
  return rows
end
