// Proves that every spelling of an address is one address, and that nobody can say where they come from but a trusted proxy.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  clientAddress,
  contains,
  isForwarded,
  isLoopback,
  locate,
  parseRange,
  spellRange,
  widen,
  type Range,
} from "../../src/server/addresses.ts";

const place = (text: string): NonNullable<ReturnType<typeof locate>> => locate(text) ?? expect.fail(text);
const keyOf = (text: string): string => place(text).key;
/** What a request of a peer is said to come from: the one spelling of its address. */
const spellAddress = (remoteAddress: string): string | undefined =>
  clientAddress({ socket: { remoteAddress }, headers: {} }, []);

const byte = fc.integer({ min: 0, max: 255 });
const four = fc.tuple(byte, byte, byte, byte);
const eight = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 });

const dotted = (bytes: readonly number[]): string => bytes.join(".");
const hex = (high: number, low: number): string => (high * 256 + low).toString(16);
/** Every way to write an IPv4 address that `net.isIP` takes. */
const spellings4 = ([a, b, c, d]: readonly [number, number, number, number]): string[] => {
  const text = dotted([a, b, c, d]);
  const mapped = [`::ffff:${text}`, `::ffff:${hex(a, b)}:${hex(c, d)}`, `0:0:0:0:0:ffff:${text}`];
  const long = `0000:0000:0000:0000:0000:ffff:${hex(a, b).padStart(4, "0")}:${hex(c, d).padStart(4, "0")}`;
  return [text, ...mapped, long, ...mapped.map((one) => one.toUpperCase()), `${mapped[0] ?? ""}%eth0`];
};
const spellings6 = (groups: readonly number[]): string[] => {
  const plain = groups.map((group) => group.toString(16));
  const padded = plain.map((group) => group.padStart(4, "0"));
  const out = [plain.join(":"), padded.join(":"), padded.join(":").toUpperCase(), `${plain.join(":")}%lo`];
  // Any run of zeros may be left out, not only the longest.
  for (let from = 0; from < 8; from++) {
    for (let to = from + 1; to <= 8 && groups[to - 1] === 0; to++) {
      out.push(`${plain.slice(0, from).join(":")}::${plain.slice(to).join(":")}`);
    }
  }
  return out;
};
const ranges = (...texts: string[]): Range[] => texts.map((text) => parseRange(text) ?? expect.fail(text));

describe("addresses", () => {
  test("BL1 HS16 every spelling of an IPv4 address, mapped ones too, is one key; no other address has it", () => {
    fc.assert(
      fc.property(four, four, (one, other) => {
        const keys = new Set(spellings4(one).map(keyOf));
        expect([...keys]).toEqual([dotted(one)]);
        expect(new Set(spellings4(one).map(spellAddress))).toEqual(keys);
        if (dotted(one) !== dotted(other)) expect(keys.has(keyOf(dotted(other)))).toBe(false);
      }),
    );
  });

  test("BL1 HS16 HS17 every spelling of an IPv6 address is one; its /64 is one key, the next /64 another", () => {
    fc.assert(
      fc.property(eight, eight, (one, other) => {
        const isMapped = one.slice(0, 5).every((group) => group === 0) && one[5] === 0xffff;
        fc.pre(!isMapped);
        expect(new Set(spellings6(one).map(spellAddress)).size).toBe(1);
        const key = keyOf(spellings6(one)[0] ?? "");
        const moved = [...one.slice(0, 4), ...other.slice(4)];
        if (moved.slice(0, 4).some((group) => group !== 0)) expect(keyOf(spellings6(moved)[0] ?? "")).toBe(key);
        const next = [...one.slice(0, 3), ((one[3] ?? 0) + 1) & 0xffff, ...one.slice(4)];
        expect(keyOf(spellings6(next)[0] ?? "")).not.toBe(key);
      }),
    );
  });

  test("BL1 what others read as an address, and what is none, is none here", () => {
    for (const text of ["", "1.2.3", "0x7f.1", "010.0.0.1", "1.2.3.4.5", "256.1.1.1", "::g", "1::2::3", "localhost"]) {
      expect([text, locate(text), parseRange(text)]).toEqual([text, undefined, undefined]);
    }
    for (const text of ["1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/", "::/129", "::ffff:1.2.3.4/95", "1.2.3.4/08x"]) {
      expect([text, parseRange(text)]).toEqual([text, undefined]);
    }
  });

  test("BL1 a range holds exactly the addresses whose first bits are its own, however it is written", () => {
    fc.assert(
      fc.property(four, fc.integer({ min: 0, max: 32 }), four, (base, prefix, other) => {
        const bits = (bytes: readonly number[]): string => bytes.map((n) => n.toString(2).padStart(8, "0")).join("");
        const inside = bits(base).slice(0, prefix) === bits(other).slice(0, prefix);
        for (const text of [`${dotted(base)}/${prefix}`, `::ffff:${dotted(base)}/${prefix + 96}`]) {
          const [range] = ranges(text);
          if (range === undefined) return;
          for (const spelled of spellings4(other)) expect(contains(range, place(spelled))).toBe(inside);
          expect(ranges(spellRange(range))).toEqual([range]);
        }
      }),
    );
  });

  test("BL3 HS17 a range of IPv6 is never narrower than a /64", () => {
    const said = (text: string): string => spellRange(widen(ranges(text)[0] ?? expect.fail()));
    expect(["2001:db8::5", "2001:db8::5/128", "2001:db8::/64"].map(said)).toEqual(
      Array.from({ length: 3 }, () => "2001:db8::/64"),
    );
    expect(["2001:db8::/48", "1.2.3.4/32", "1.2.3.4", "1.2.3.99/24"].map(said)).toEqual([
      "2001:db8::/48",
      "1.2.3.4",
      "1.2.3.4",
      "1.2.3.0/24",
    ]);
  });

  test("BL6 loopback is 127.0.0.0/8 and ::1 in any spelling", () => {
    for (const text of ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1", "0:0:0:0:0:0:0:1"]) {
      expect([text, isLoopback(place(text))]).toEqual([text, true]);
    }
    for (const text of ["128.0.0.1", "::2", "10.0.0.1"]) expect(isLoopback(place(text))).toBe(false);
  });
});

const request = (
  remoteAddress: string | undefined,
  headers: Record<string, string> = {},
): Parameters<typeof clientAddress>[0] => ({ socket: { remoteAddress }, headers });

describe("where a request comes from", () => {
  const trusted = ranges("10.0.0.0/8", "fd00::/8", "::1");
  const from = (peer: string | undefined, list?: string, more: Record<string, string> = {}): string | undefined =>
    clientAddress(request(peer, { ...(list === undefined ? {} : { "x-forwarded-for": list }), ...more }), trusted);

  test("BL2 HS14 what an untrusted peer says of itself is ignored", () => {
    const said = { "x-forwarded-for": "9.9.9.9", forwarded: "for=9.9.9.9", "x-real-ip": "9.9.9.9" };
    expect(clientAddress(request("203.0.113.1", said), trusted)).toBe("203.0.113.1");
    expect(clientAddress(request("::ffff:203.0.113.1", said), [])).toBe("203.0.113.1");
    // With nobody trusted, not even the machine itself is.
    expect(clientAddress(request("127.0.0.1", said), [])).toBe("127.0.0.1");
    expect(from(undefined, "9.9.9.9")).toBe(undefined);
  });

  test("BL2 HS15 the right-most hop that is no trusted proxy counts, in any dress", () => {
    expect(from("10.0.0.1", "203.0.113.7")).toBe("203.0.113.7");
    expect(from("::ffff:10.0.0.1", "6.6.6.6, 203.0.113.7")).toBe("203.0.113.7");
    expect(from("10.0.0.1", "6.6.6.6,203.0.113.7 , 10.1.1.1,\t10.2.2.2")).toBe("203.0.113.7");
    expect(from("10.0.0.1", "203.0.113.7:5123")).toBe("203.0.113.7");
    expect(from("10.0.0.1", '"203.0.113.7:5123"')).toBe("203.0.113.7");
    expect(from("::1", "[2001:db8::7]:443")).toBe("2001:db8::7");
    expect(from("::1", '"[2001:db8:0::7]"')).toBe("2001:db8::7");
    expect(from("10.0.0.1", "::ffff:203.0.113.7")).toBe("203.0.113.7");
    // All of them trusted: the farthest.
    expect(from("10.0.0.1", "10.3.3.3, 10.2.2.2")).toBe("10.3.3.3");
  });

  test("BL2 HS15 a hop that is no address ends the walk: nothing left of it is believed", () => {
    for (const junk of ["unknown", "", "999.1.1.1", "_hidden", "0x7f.1", "evil.example", "1.2.3.4 5.6.7.8"]) {
      expect([junk, from("10.0.0.1", `9.9.9.9, ${junk}`)]).toEqual([junk, "10.0.0.1"]);
      expect([junk, from("10.0.0.1", `9.9.9.9, ${junk}, 10.2.2.2`)]).toEqual([junk, "10.2.2.2"]);
      expect([junk, from("10.0.0.1", `9.9.9.9, ${junk}, 203.0.113.7`)]).toEqual([junk, "203.0.113.7"]);
    }
    expect(from("10.0.0.1", Array.from({ length: 200 }, () => "10.9.9.9").join(","))).toBe("10.9.9.9");
    expect(from("10.0.0.1", `9.9.9.9${",10.9.9.9".repeat(200)}`)).toBe("10.9.9.9");
  });

  test("BL2 HS15 whatever a client writes before its proxy does: the proxy's word counts", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii" }), four, (written, client) => {
        const address = dotted(client);
        fc.pre(!trusted.some((range) => contains(range, place(address))));
        expect(from("10.0.0.1", `${written}, ${address}`)).toBe(address);
        expect(from("10.0.0.1", undefined, { forwarded: `${written},for=${address}` })).toBe(address);
      }),
    );
  });

  test("BL2 HS15 Forwarded counts only where there is no X-Forwarded-For", () => {
    expect(from("10.0.0.1", undefined, { forwarded: "for=6.6.6.6, For=203.0.113.7;proto=https" })).toBe("203.0.113.7");
    expect(from("10.0.0.1", undefined, { forwarded: 'proto=http;for="[2001:db8::7]:1"' })).toBe("2001:db8::7");
    expect(from("10.0.0.1", undefined, { forwarded: "for=6.6.6.6, by=203.0.113.7" })).toBe("10.0.0.1");
    expect(from("10.0.0.1", "203.0.113.7", { forwarded: "for=6.6.6.6" })).toBe("203.0.113.7");
  });

  test("OD1 what came through something says so", () => {
    for (const name of ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]) {
      expect(isForwarded({ [name]: "x" })).toBe(true);
    }
    expect(isForwarded({ host: "a", origin: "b", "x-forward": "c" })).toBe(false);
  });
});
