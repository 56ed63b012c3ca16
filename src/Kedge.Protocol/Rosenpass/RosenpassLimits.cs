namespace Kedge.Protocol.Rosenpass;

/// <summary>How much work an exchange hands out at once, and how much a second strangers can cause.</summary>
public sealed record RosenpassLimits
{
    /// <summary>The usual values.</summary>
    public static RosenpassLimits Default { get; } = new();

    /// <summary>Handshakes that are being started at one time; the other peers wait.</summary>
    public int MaximumStarts { get; init; } = 16;

    /// <summary>First messages that are being answered at one time, whoever sent them.</summary>
    public int MaximumAnswers { get; init; } = 16;

    /// <summary>Of these, those from addresses that no peer is known by. The rest is kept for those that one is.</summary>
    public int MaximumAnswersToStrangers { get; init; } = 8;

    /// <summary>First messages a second from addresses that no peer is known by, all together.</summary>
    public int StrangersPerSecond { get; init; } = 100;

    /// <summary>First messages a second from one address (IPv6: one /64).</summary>
    public int SourcePerSecond { get; init; } = 20;

    /// <summary>First messages that one address may send at once after a pause.</summary>
    public int SourceBurst { get; init; } = 5;
}
