-- The program: it walks the tables above. No rule of a dialect stands below this line.
local proto = Proto(D.protocol, D.title)
local fields = {
  header = ProtoField.string(D.protocol .. ".header", "Header"),
  mti = ProtoField.string(D.protocol .. ".mti", "MTI"),
  bitmap = ProtoField.string(D.protocol .. ".bitmap", "Bitmap"),
  malformed = ProtoField.string(D.protocol .. ".malformed", "Malformed"),
}
local elements = {}
for number, element in pairs(D.elements) do
  elements[number] = ProtoField.string(D.protocol .. ".de" .. number, string.format("DE %d %s", number, element.name))
end
local all = {}
for _, field in pairs(fields) do table.insert(all, field) end
for _, field in pairs(elements) do table.insert(all, field) end
proto.fields = all

local function fail(reason, at)
  error({ reason = reason, at = at }, 0)
end

local function take(tvb, at, size, what)
  if at + size > tvb:len() then
    fail(what .. ": " .. size .. " bytes expected, " .. (tvb:len() - at) .. " left", at)
  end
  if size == 0 then return nil end
  return tvb:range(at, size)
end

local function hex(range)
  return range and range:bytes():tohex() or ""
end

local function text(range, encoding)
  if not range then return "" end
  local charset, bytes, out = D.charsets[encoding], range:bytes(), {}
  for index = 0, bytes:len() - 1 do
    out[#out + 1] = charset[bytes:get_index(index) + 1]
  end
  return table.concat(out)
end

local function characters(range, encoding)
  if encoding == "b" or encoding == "bcd" then return hex(range) end
  return text(range, encoding)
end

local function number(range, encoding, what, at)
  if encoding == "b" then return range:uint() end
  local digits = characters(range, encoding)
  if not digits:match("^%d+$") then fail(what .. ": its length is not a number", at) end
  return tonumber(digits, 10)
end

-- An element at `at`: its value, and where it ends.
local function read(tvb, at, n, element)
  local what, size = "DE " .. n, element.size
  if element.prefix_bytes > 0 then
    size = number(take(tvb, at, element.prefix_bytes, what), element.prefix_encoding, what, at)
    if size > element.size then fail(what .. ": longer than " .. element.size, at) end
    at = at + element.prefix_bytes
  end
  if element.kind == "x+n" and element.encoding == "b" then
    local width = 1 + math.floor((element.size - 1) / 2)
    local range = take(tvb, at, width, what)
    return text(range:range(0, 1), "ascii") .. hex(range:range(1)), at + width
  end
  local width = size
  if element.nibbles then width = math.floor((size + 1) / 2) end
  local range = take(tvb, at, width, what)
  if element.encoding ~= "b" then return text(range, element.encoding), at + width end
  local value = hex(range)
  if element.nibbles and size % 2 == 1 then
    if element.left_pad ~= "" and value:sub(1, 1) == element.left_pad then
      value = value:sub(2)
    else
      value = value:sub(1, -2)
    end
  end
  return value, at + width
end

local function read_bitmap(tvb, at)
  local width = D.bitmap_encoding == "b" and 8 or 16
  local range = take(tvb, at, width, "bitmap")
  local bits = D.bitmap_encoding == "b" and hex(range) or text(range, D.bitmap_encoding)
  if not bits:match("^%x+$") then fail("the bitmap is not hexadecimal", at) end
  return bits, at + width
end

local function is_set(bits, n)
  local nibble = tonumber(bits:sub(math.floor((n - 1) / 4) + 1, math.floor((n - 1) / 4) + 1), 16)
  return nibble ~= nil and math.floor(nibble / 2 ^ (3 - (n - 1) % 4)) % 2 == 1
end

local function message(tvb, tree, found)
  local at = 0
  if D.header_bytes > 0 then
    local range = take(tvb, 0, D.header_bytes, "header")
    tree:add(fields.header, range, hex(range))
    at = D.header_bytes
  end
  local width = D.mti_encoding == "b" and 2 or 4
  local range = take(tvb, at, width, "MTI")
  found.mti = characters(range, D.mti_encoding)
  if not found.mti:match("^%d%d%d%d$") then fail("the MTI is not four digits", at) end
  tree:add(fields.mti, range, found.mti)
  at = at + width
  local begin, bits, last = at, nil, 64
  bits, at = read_bitmap(tvb, at)
  if is_set(bits, 1) then
    local second
    second, at = read_bitmap(tvb, at)
    bits, last = bits .. second, 128
    if is_set(bits, 65) and D.third_bitmap == "after-second" then
      local third
      third, at = read_bitmap(tvb, at)
      bits, last = bits .. third, 192
    end
  end
  tree:add(fields.bitmap, tvb:range(begin, at - begin), bits)
  local n = 2
  while n <= last do
    if n == 65 and D.third_bitmap == "element-65" and is_set(bits, 65) then
      local third
      begin = at
      third, at = read_bitmap(tvb, at)
      tree:add(fields.bitmap, tvb:range(begin, at - begin), third)
      bits, last = bits .. third, 192
    elseif is_set(bits, n) and not (n == 65 and D.third_bitmap ~= "none") then
      local element, value = D.elements[n], nil
      if not element then fail("DE " .. n .. " is not in this dialect", at) end
      begin = at
      value, at = read(tvb, at, n, element)
      if at > begin then tree:add(elements[n], tvb:range(begin, at - begin), value) end
      if n == 11 or n == 39 then found[n] = value end
    end
    n = n + 1
  end
  if at ~= tvb:len() then fail((tvb:len() - at) .. " bytes after the last element", at) end
end

local function announced(range)
  local kind = D.framing.kind
  if kind == "be" then return range:uint() end
  if kind == "le" then return range:le_uint() end
  if kind == "visa" then return range:range(0, 2):uint() end
  local digits = kind == "bcd" and hex(range) or text(range, "ascii")
  return tonumber(digits, kind == "hex" and 16 or 10) or 0
end

-- How long the frame at `at` is with all that stands around it; 0 asks for more bytes.
local function frame_length(tvb, _, at)
  local F = D.framing
  if F.kind == "marks" then
    for index = at + 1, tvb:len() - 1 do
      if tvb:range(index, 1):uint() == 3 then return index - at + 1 + F.check end
    end
    return 0
  end
  local body = announced(tvb:range(at, F.width)) - F.extra
  if body <= 0 then return F.width end
  return F.width + body + F.after
end

local function frame(tvb, pinfo, root)
  local F, before, behind = D.framing, nil, nil
  if F.kind == "marks" then
    before, behind = 1, 1 + F.check
  else
    before, behind = F.width + F.lead, F.trail + F.after
  end
  local size = tvb:len() - before - behind
  if size <= 0 then return tvb:len() end
  local payload, found = tvb:range(before, size):tvb(), {}
  local tree = root:add(proto, tvb:range(0))
  local is_whole, problem = pcall(message, payload, tree, found)
  local info = (found.mti or "?") .. " STAN " .. (found[11] or "-")
  if found[39] then info = info .. " DE 39 = " .. found[39] end
  if not is_whole then
    local reason = type(problem) == "table" and problem.reason or tostring(problem)
    tree:add(fields.malformed, payload:range(0), reason)
    tree:add_expert_info(PI_MALFORMED, PI_ERROR, reason)
    info = info .. " malformed: " .. reason
  end
  pinfo.cols.protocol = "ISO8583"
  pinfo.cols.info = info
  return tvb:len()
end

function proto.dissector(tvb, pinfo, root)
  local at_least = D.framing.kind == "marks" and 1 or D.framing.width
  dissect_tcp_pdus(tvb, root, at_least, frame_length, frame)
  return tvb:len()
end

local ports = DissectorTable.get("tcp.port")
ports:add_for_decode_as(proto)
for _, port in ipairs(D.ports) do ports:add(port, proto) end
