using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Kedge.Protocol.Ip;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>What a device tells those that watch it (<c>kedge_watch=1</c>), a line each.</summary>
public abstract record DeviceEvent
{
    private protected const string True = "true";
    private protected const string False = "false";

    /// <summary>The line, without its line feed: a key, <c>=</c>, and words separated by spaces.</summary>
    public abstract string ToLine();

    /// <summary>Reads a line without its line feed.</summary>
    /// <returns>False for a line of a later version.</returns>
    public static bool TryParse(string line, [NotNullWhen(true)] out DeviceEvent? happened)
    {
        ArgumentNullException.ThrowIfNull(line);
        int end = line.IndexOf('=', StringComparison.Ordinal);
        string[] words = line[(end + 1)..].Split(' ');
        happened = (end < 0 ? "" : line[..end]) switch
        {
            DeviceChanged.Key => words is [True] ? new DeviceChanged() : null,
            IntroductionWanted.Key => IntroductionWanted.Read(words),
            KnockEnd.Key => KnockEnd.Read(words),
            PeerReached.Key => PeerReached.Read(words),
            FrameReceived.Key => FrameReceived.Read(words),
            LookupWanted.Key => words is [var address] && IpAddress.TryParse(address, out IpAddress wanted) ? new LookupWanted(wanted) : null,
            _ => null,
        };
        return happened is not null;
    }

    /// <summary>The word for an introduction that is wanted, or that answers one.</summary>
    internal static string Word(bool isAnswer) => isAnswer ? "answer" : "request";

    private protected static PublicKey? ReadKey(string hex)
    {
        Span<byte> key = stackalloc byte[PublicKey.Size];
        bool isKey = hex.Length == 2 * PublicKey.Size && Convert.FromHexString(hex, key, out _, out _) == OperationStatus.Done;
        return isKey ? PublicKey.FromBytes(key) : null;
    }

    private protected static string Text(PublicKey key) => Convert.ToHexStringLower(key.ToArray());
}

/// <summary>The port, what STUN servers see of it, or the machine's addresses have changed: <c>changed=true</c>.</summary>
public sealed record DeviceChanged : DeviceEvent
{
    internal const string Key = "changed";

    /// <inheritdoc/>
    public override string ToLine() => $"{Key}={True}";
}

/// <summary>The device wants to be introduced to a peer: <c>introduce=KEY request</c>, or <c>answer</c>.</summary>
/// <param name="Peer">The peer's WireGuard key.</param>
/// <param name="IsAnswer">Whether it answers an introduction.</param>
public sealed record IntroductionWanted(PublicKey Peer, bool IsAnswer) : DeviceEvent
{
    internal const string Key = "introduce";

    /// <inheritdoc/>
    public override string ToLine() => $"{Key}={Text(Peer)} {Word(IsAnswer)}";

    internal static IntroductionWanted? Read(string[] words) =>
        words is [var hex, "request" or "answer"] && ReadKey(hex) is { } peer ? new IntroductionWanted(peer, words[1] == Word(isAnswer: true)) : null;
}

/// <summary>A peer that is looked for by probes has a path now, or has lost it: <c>reached=KEY true</c>, or <c>false</c>.</summary>
/// <param name="Peer">The peer's WireGuard key.</param>
/// <param name="IsReached">Whether it has one.</param>
public sealed record PeerReached(PublicKey Peer, bool IsReached) : DeviceEvent
{
    internal const string Key = "reached";

    /// <inheritdoc/>
    public override string ToLine() => $"{Key}={Text(Peer)} {(IsReached ? True : False)}";

    internal static PeerReached? Read(string[] words) =>
        words is [var hex, True or False] && ReadKey(hex) is { } peer ? new PeerReached(peer, words[1] == True) : null;
}

/// <summary>A peer has sent a control frame that the device leaves to others: <c>frame=KEY HEX</c>.</summary>
/// <param name="Peer">The peer's WireGuard key.</param>
/// <param name="Frame">The frame; padding may be behind it.</param>
public sealed record FrameReceived(PublicKey Peer, ReadOnlyMemory<byte> Frame) : DeviceEvent
{
    internal const string Key = "frame";

    /// <inheritdoc/>
    public override string ToLine() => $"{Key}={Text(Peer)} {Convert.ToHexStringLower(Frame.Span)}";

    internal static FrameReceived? Read(string[] words)
    {
        if (words is not [var hex, var frame] || ReadKey(hex) is not { } peer || frame.Length % 2 != 0)
            return null;
        byte[] bytes = new byte[frame.Length / 2];
        return Convert.FromHexString(frame, bytes, out _, out _) == OperationStatus.Done ? new FrameReceived(peer, bytes) : null;
    }
}

/// <summary>A packet waits for somebody to find out who has its destination, an address of the overlay: <c>lookup=ADDRESS</c>.</summary>
/// <param name="Address">The address.</param>
public sealed record LookupWanted(IpAddress Address) : DeviceEvent
{
    internal const string Key = "lookup";

    /// <inheritdoc/>
    public override string ToLine() => $"{Key}={Address}";
}
