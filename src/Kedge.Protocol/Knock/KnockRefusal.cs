using System.Globalization;
using Kedge.Protocol.Certificates;

namespace Kedge.Protocol.Knock;

/// <summary>How a knock ended. The first five are told to the other end, by these numbers.</summary>
public enum KnockResult : byte
{
    /// <summary>Both ends admit each other.</summary>
    Accepted = 0,

    /// <summary>A certificate is refused; <see cref="KnockRefusal.Certificate"/> says why.</summary>
    CertificateRefused = 1,

    /// <summary>A certificate is good, but its key, or an address or prefix of it, is another node's already.</summary>
    AddressTaken = 2,

    /// <summary>A certificate is refused for its dates, and the clocks of the two nodes differ.</summary>
    ClocksDiffer = 3,

    /// <summary>A reason that this version does not know.</summary>
    Other = 4,

    /// <summary>Nothing came back: nobody is there, or somebody of another network, or datagrams are lost on the way.</summary>
    NoAnswer = 64,

    /// <summary>The other end answered at first, and then no more.</summary>
    AnswerEnded,

    /// <summary>The other end is there, but has too much to do to introduce itself.</summary>
    Busy,

    /// <summary>The other end is this node itself.</summary>
    Self,

    /// <summary>This node has too many knocks under way.</summary>
    TooMany,

    /// <summary>This node has no certificate of a network any more.</summary>
    Withdrawn,
}

/// <summary>How a knock ended, and as much about it as a person needs.</summary>
/// <param name="Result">How.</param>
/// <param name="IsByPeer">Whether the other end has decided so.</param>
/// <param name="Certificate">Why a certificate is refused; null if none is, or for a reason that this version does not know.</param>
/// <param name="ClockDifference">How far the other end's clock is ahead of this node's, to the second; negative if it is behind.</param>
public readonly record struct KnockRefusal(
    KnockResult Result, bool IsByPeer = false, CertificateRefusal? Certificate = null, TimeSpan ClockDifference = default)
{
    /// <summary>Whether it is none: both ends admit each other.</summary>
    public bool IsAccepted => Result == KnockResult.Accepted;

    /// <summary>What happened, as sentences for a person.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such result.</exception>
    public string Sentence() => Result switch
    {
        KnockResult.Accepted => "The two nodes admit each other.",
        KnockResult.CertificateRefused =>
            $"{Refuser} certificate. {Certificate?.Sentence() ?? "The reason is one that this version of Kedge does not know."}",
        KnockResult.AddressTaken => IsByPeer
            ? "The other node has this node's key, or an address or prefix of its certificate, for itself or for another peer already."
            : "The other node's key, or an address or prefix of its certificate, is this node's or another peer's already.",
        KnockResult.ClocksDiffer => $"{Refuser} certificate for its dates, and the clocks differ: {Clocks}",
        KnockResult.Other => "The other node refuses, for a reason that this version of Kedge does not know.",
        KnockResult.NoAnswer => "No answer: nobody is there, or it is a node of another network.",
        KnockResult.AnswerEnded => "The other node answered at first, and then no more.",
        KnockResult.Busy => "The other node is there, but has too much to do. Try again.",
        KnockResult.Self => "This node itself is there.",
        KnockResult.TooMany => "This node is introducing itself to too many others just now. Try again.",
        KnockResult.Withdrawn => "This node has no certificate of a network any more.",
        _ => throw new ArgumentOutOfRangeException(nameof(Result), Result, "There is no such result."),
    };

    private string Refuser => IsByPeer ? "The other node refuses this node's" : "This node refuses the other one's";

    private string Clocks => string.Create(
        CultureInfo.InvariantCulture,
        $"the other node's is {ClockDifference.Duration().TotalMinutes:F0} minutes {Direction} this one's.");

    private string Direction => ClockDifference < TimeSpan.Zero ? "behind" : "ahead of";
}
