-- Groups: who joins and leaves them. Needs lib/clock.lua, node, slot, stream.

-- What a group was made of, after its own key was lost.
local function lost_identity(node)
  local known = call('HGETALL', prefix .. 'groups')
  for n = 1, #known, 2 do
    if known[n + 1] == node.group then
      return known[n]
    end
  end
  return call('HGET', prefix .. 'node:' .. node.id, 'atoms') or node.atoms
end

local function leave_group(node)
  local gid = node.group
  if gid == '' then
    return
  end
  local group = prefix .. 'grp:' .. gid
  call('ZREM', group .. ':free', node.id)
  call('SREM', group .. ':nodes', node.id)
  for _, stream in ipairs(streams_at(node)) do
    unindex_stream(gid, node.id, stream[1])
  end
  if call('EXISTS', group .. ':free') == 0 then
    call('ZREM', prefix .. 'groups:free', gid)
  end
  if call('EXISTS', group .. ':nodes') == 0 then
    local identity = call('GET', group .. ':identity') or lost_identity(node)
    for atom in string.gmatch(string.match(identity, '^[^|?]*'), '%S+') do
      call('SREM', prefix .. 'cap:' .. atom, gid)
      local pace = string.match(atom, '^v:(.+)')
      if pace and call('EXISTS', prefix .. 'cap:' .. atom) == 0 then
        call('ZREM', prefix .. 'speeds', pace)
      end
    end
    call('HDEL', prefix .. 'groups', identity)
    call('DEL', group .. ':penalties', group .. ':identity')
  end
  node.group = ''
end

local function join_group(node, identity)
  local gid = call('HGET', prefix .. 'groups', identity)
  if not gid then
    gid = int(call('INCR', prefix .. 'seq'))
    local penalised = string.match(identity, '|([^?]+)')
    local pace = string.match(identity, 'v:(%-?%d+) ')
    if pace then
      gid = gid .. 'v' .. pace -- the choice reads it from there
    end
    if string.sub(identity, -1) == '?' then
      gid = gid .. '?' -- what is on trial does not stand for those who are well
    end
    if penalised then
      gid = gid .. '!' -- the choice looks at `penalties` only where this says so
      for requirement in string.gmatch(penalised, '%S+') do
        call('SADD', prefix .. 'grp:' .. gid .. ':penalties', requirement)
      end
    end
    for atom in string.gmatch(string.match(identity, '^[^|?]*'), '%S+') do
      call('SADD', prefix .. 'cap:' .. atom, gid)
      local pace = string.match(atom, '^v:(.+)')
      if pace then
        call('ZADD', prefix .. 'speeds', pace, pace)
      end
    end
    call('SET', prefix .. 'grp:' .. gid .. ':identity', identity)
    call('HSET', prefix .. 'groups', identity, gid)
  end
  call('SADD', prefix .. 'grp:' .. gid .. ':nodes', node.id)
  node.group = gid
  for _, stream in ipairs(streams_at(node)) do
    index_stream(node, stream[1], stream[2])
  end
end

-- Who errs is used as ever after a while, unless it fails again; who is sick gets a trial.
-- Returns when that is, if it is not yet.
local function lapse_health(node)
  if not is_doubted(node) then
    return nil
  end
  local till = tonumber(call('HGET', prefix .. 'node:' .. node.id, 'doubted_until') or '0')
  if till > now then
    return till
  end
  node.health = node.health == 'sick' and 'trial' or 'watched'
  return nil
end

-- A speed that was measured long ago says nothing. Returns when that is, if it is not yet.
local function lapse_pace(node)
  if node.pace == '' then
    return nil
  end
  local till = tonumber(call('HGET', prefix .. 'node:' .. node.id, 'paced_until') or '0')
  if till > now then
    return till
  end
  node.pace = ''
  return nil
end

-- Drops lapsed penalties and notes when something of the node lapses next.
local function lapse(node)
  local kept, names, soonest = {}, {}, lapse_health(node)
  local paced_until = lapse_pace(node)
  soonest = soonest and paced_until and math.min(soonest, paced_until) or soonest or paced_until
  for requirement, till in string.gmatch(node.penalties, '(%S+)=(%d+)') do
    local at = tonumber(till)
    if at > now then
      kept[#kept + 1] = requirement .. '=' .. till
      names[#names + 1] = requirement
      soonest = math.min(soonest or at, at)
    end
  end
  if node.overloaded > now then
    soonest = math.min(soonest or node.overloaded, node.overloaded)
  end
  node.penalties = table.concat(kept, ' ')
  if soonest and node.state == 'online' then
    call('ZADD', prefix .. 'lapses', int(soonest), node.id)
    call('EXPIRE', prefix .. 'lapses', RECORD_TTL_S)
  else
    call('ZREM', prefix .. 'lapses', node.id)
  end
  table.sort(names)
  return table.concat(names, ' ')
end

-- What the nodes of a group have in common. The atoms of doubted nodes bear a mark.
local function identity_of(node, penalised)
  local atoms = node.atoms
  if is_doubted(node) then
    atoms = ' ~' .. string.gsub(atoms, '(%S+)', '~%1')
  end
  if node.pace ~= '' then
    atoms = atoms .. (is_doubted(node) and '~v:' or 'v:') .. node.pace .. ' '
  end
  return atoms .. (penalised ~= '' and '|' .. penalised or '')
    .. (node.health == 'trial' and '?' or '')
end

-- Brings group, rank and record in line with the node's state, atoms, penalties and marks.
local function settle_node(node)
  local penalised = lapse(node)
  local identity = nil
  if node.state == 'online' and string.find(node.atoms, '%S') then
    identity = identity_of(node, penalised)
  end
  local current = node.group ~= ''
    and call('GET', prefix .. 'grp:' .. node.group .. ':identity') or nil
  if current ~= identity then
    leave_group(node)
    if identity then
      join_group(node, identity)
    end
  end
  place_node(node)
  call('HSET', prefix .. 'node:' .. node.id,
    'state', node.state, 'owner', node.owner, 'epoch', node.epoch, 'max', node.max,
    'group', node.group, 'atoms', node.atoms, 'overloaded', int(node.overloaded),
    'suspect', node.suspect and '1' or '0', 'penalties', node.penalties, 'health', node.health, 'pace', node.pace)
end
