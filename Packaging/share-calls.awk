# Makes x86-64 assembly smaller: awk -f share-calls.awk FILE.s > OUT.s
#
# Instructions that stand before a call in many places, up to three of them, become one function of their own that ends by
# jumping to the one called:
#
#     movq %rbx, %rdi                callq .Lshared7             .Lshared7: movq %rbx, %rdi
#     callq swift_release                                                   jmp swift_release
#
# Most of a program in Swift are releases and throws like this one; LLVM's outliner for this processor never moves a
# call. Instructions that look at the stack pointer stay where they are.

BEGIN { longest = 4 }

# About how many bytes an instruction takes.
function bytes(text,    size, number) {
  size = text ~ /^[a-z]+q |%r[0-9]/ ? 3 : 2
  if (text ~ /\(%rip\)/) return size + 4
  if (match(text, /-?[0-9]+\(/)) {
    number = substr(text, RSTART, RLENGTH - 1) + 0
    size += number >= -128 && number < 128 ? 1 : 4
  }
  if (match(text, /\$-?[0-9]+/)) {
    number = substr(text, RSTART + 1, RLENGTH - 1) + 0
    size += text !~ /^mov/ && number >= -128 && number < 128 ? 1 : 4
  }
  return size
}

{
  line[NR] = $0
  text = $0
  sub(/^[ \t]+/, "", text)
  gsub(/[ \t]+/, " ", text)
  # How many instructions in a row, this one the last, may move.
  run[NR] = 0
  if (text ~ /^callq [^*]/) {
    calls[++count] = NR
    called[NR] = substr(text, 7)
  } else if (text !~ /^($|\.|j|call|ret|push|pop|ud2|lock|leave|int3|rep|syscall)|:$|%[er]sp/) {
    run[NR] = run[NR - 1] + 1
    plain[NR] = text
  }
}

# The instructions before a call and the call, as one text.
function sequence(call, length_,    text, n) {
  for (n = call - length_ + 1; n < call; n++) text = text plain[n] "\n"
  return text called[call]
}

function saved(text, times,    parts, n, size) {
  n = split(text, parts, "\n")
  for (size = 0; n > 1; n--) size += bytes(parts[n - 1])
  return times * size - size - 5
}

END {
  for (long = longest; long > 1; long--) {
    delete times
    for (c = 1; c <= count; c++)
      if (!(calls[c] in shared) && run[calls[c] - 1] >= long - 1) times[sequence(calls[c], long)]++
    for (c = 1; c <= count; c++) {
      call = calls[c]
      if (call in shared || run[call - 1] < long - 1) continue
      text = sequence(call, long)
      # A short sequence serves more calls.
      if (saved(text, times[text]) <= 16 * (long - 2)) continue
      if (!(text in name)) {
        name[text] = ".Lshared" (++functions)
        body[functions] = text
      }
      shared[call] = name[text]
      for (n = call - long + 1; n < call; n++) moved[n] = 1
    }
  }
  for (n = 1; n <= NR; n++)
    if (n in shared) print "\tcallq\t" shared[n]
    else if (!(n in moved)) print line[n]
  for (f = 1; f <= functions; f++) {
    print "\t.section\t.text.shared" f ",\"ax\",@progbits"
    print ".Lshared" f ":"
    n = split(body[f], parts, "\n")
    for (i = 1; i < n; i++) print "\t" parts[i]
    print "\tjmp\t" parts[n]
  }
}
