using System.Buffers.Binary;

namespace Kedge.Protocol.WireGuard;

/// <summary>
/// A TAI64N label: the time of day that an initiation carries, so that an old one cannot be replayed. Compared as a number.
/// </summary>
/// <param name="Seconds">TAI64: 2^62 + 10 + seconds since 1970. Leap seconds are not tracked, as in every implementation.</param>
/// <param name="Nanoseconds">0 to 999,999,999.</param>
public readonly record struct Tai64N(ulong Seconds, uint Nanoseconds) : IComparable<Tai64N>
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 12;

    private const ulong UnixEpoch = (1UL << 62) + 10;

    /// <summary>The label of a time of day.</summary>
    public static Tai64N From(DateTimeOffset time)
    {
        long ticks = (time - DateTimeOffset.UnixEpoch).Ticks;
        long seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest);
        return rest < 0
            ? new(UnixEpoch + (ulong)(seconds - 1), (uint)((rest + TimeSpan.TicksPerSecond) * 100))
            : new(UnixEpoch + (ulong)seconds, (uint)(rest * 100));
    }

    /// <summary>The label in 12 bytes, big-endian.</summary>
    public static Tai64N Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt32BigEndian(bytes[8..]));

    /// <summary>Writes the label's 12 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, Seconds);
        BinaryPrimitives.WriteUInt32BigEndian(destination[8..], Nanoseconds);
    }

    /// <summary>The label <paramref name="seconds"/> later.</summary>
    public Tai64N AddSeconds(ulong seconds) => this with { Seconds = Seconds + seconds };

    /// <inheritdoc/>
    public int CompareTo(Tai64N other) =>
        Seconds != other.Seconds ? Seconds.CompareTo(other.Seconds) : Nanoseconds.CompareTo(other.Nanoseconds);

    /// <summary>Whether <paramref name="a"/> is earlier than <paramref name="b"/>.</summary>
    public static bool operator <(Tai64N a, Tai64N b) => a.CompareTo(b) < 0;

    /// <summary>Whether <paramref name="a"/> is later than <paramref name="b"/>.</summary>
    public static bool operator >(Tai64N a, Tai64N b) => a.CompareTo(b) > 0;

    /// <summary>Whether <paramref name="a"/> is not later than <paramref name="b"/>.</summary>
    public static bool operator <=(Tai64N a, Tai64N b) => a.CompareTo(b) <= 0;

    /// <summary>Whether <paramref name="a"/> is not earlier than <paramref name="b"/>.</summary>
    public static bool operator >=(Tai64N a, Tai64N b) => a.CompareTo(b) >= 0;
}
