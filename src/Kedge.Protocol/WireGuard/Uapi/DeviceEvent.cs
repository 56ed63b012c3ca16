using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Kedge.Protocol.WireGuard.Uapi;

/// <summary>
/// What a device tells those that watch it (<c>kedge_watch=1</c>), one line each: <c>introduce=KEY request</c> or <c>introduce=KEY answer</c>
/// where it wants to be introduced to a peer, or answers that; <c>changed=true</c> where its port or what STUN servers see of it has changed; and a
/// <see cref="KnockEnd"/>.
/// </summary>
/// <param name="Peer">The peer that it wants to be introduced to; null for a change.</param>
/// <param name="IsAnswer">Whether it answers an introduction.</param>
public sealed record DeviceEvent(PublicKey? Peer, bool IsAnswer = false)
{
    /// <summary>How a knock has ended; null for anything else.</summary>
    public KnockEnd? Knock { get; init; }

    /// <summary>The port, or what STUN servers see of it, has changed.</summary>
    public static DeviceEvent Changed { get; } = new(Peer: null);

    /// <summary>Reads a line without its line feed.</summary>
    /// <returns>False for a line of a later version.</returns>
    public static bool TryParse(string line, [NotNullWhen(true)] out DeviceEvent? result)
    {
        result = null;
        if (line == "changed=true")
            result = Changed;
        if (KnockEnd.TryParse(line, out KnockEnd? end))
            result = new DeviceEvent(Peer: null) { Knock = end };
        if (line.Split('=', ' ') is not ["introduce", { Length: 2 * PublicKey.Size } hex, "request" or "answer"])
            return result is not null;
        Span<byte> key = stackalloc byte[PublicKey.Size];
        if (Convert.FromHexString(hex, key, out _, out _) == OperationStatus.Done)
            result = new DeviceEvent(PublicKey.FromBytes(key), line.EndsWith(" answer", StringComparison.Ordinal));
        return result is not null;
    }

    /// <summary>The line, without its line feed.</summary>
    public override string ToString() =>
        Knock is { } knock ? knock.ToString()
        : Peer is { } peer ? $"introduce={Convert.ToHexStringLower(peer.ToArray())} {Word(IsAnswer)}" : "changed=true";

    /// <summary>The word for an introduction that is wanted, or that answers one.</summary>
    internal static string Word(bool isAnswer) => isAnswer ? "answer" : "request";
}
