using Kedge.Protocol.Ip;

namespace Kedge.Fuzz.Ip;

/// <summary>The Internet checksum, against one that adds a word at a time and folds at once.</summary>
public sealed class InternetChecksumTarget : Target
{
    public override string Name => "internet-checksum";

    public override int ShortRun => 60_000;

    public override void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        ushort checksum = InternetChecksum.Compute(input);
        Invariant.Equal(SlowChecksum(input), checksum, "a checksum is the complement of the one's complement sum");
        trace.Note(1, input.Length % 4 | (checksum is 0 or 0xFFFF ? 4 : 0));
        if (input.Length < 4)
            return;

        byte[] changed = input.ToArray();
        ushort before = (ushort)(changed[2] << 8 | changed[3]);
        ushort after = (ushort)(changed[0] << 8 | changed[1]);
        changed[2] = changed[0];
        changed[3] = changed[1];
        ushort updated = InternetChecksum.Update(checksum, before, after);
        trace.Note(2, updated is 0 or 0xFFFF ? 1 : 0);
        // Zero has two forms in one's complement; RFC 1624 yields the computed one, except where the data has become all zeros.
        ushort computed = InternetChecksum.Compute(changed);
        if (changed.AsSpan().ContainsAnyExcept((byte)0))
            Invariant.Equal(computed, updated, "an updated checksum is the computed one");
        else
            Invariant.Holds(updated is 0 or 0xFFFF, "an updated checksum of zeros is a zero");
    }

    private static ushort SlowChecksum(ReadOnlySpan<byte> bytes)
    {
        int sum = 0;
        for (int i = 0; i < bytes.Length; i += 2)
        {
            sum += bytes[i] << 8 | (i + 1 < bytes.Length ? bytes[i + 1] : 0);
            if (sum > 0xFFFF)
                sum -= 0xFFFF;
        }
        return (ushort)(0xFFFF - sum);
    }
}
