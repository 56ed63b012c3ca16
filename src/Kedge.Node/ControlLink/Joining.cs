using System.Net;
using System.Security.Cryptography;
using Kedge.Linux;
using Kedge.Node.Keys;
using Kedge.Protocol;
using Kedge.Protocol.Api;
using Kedge.Protocol.Certificates;
using Kedge.Protocol.Enrolment;
using Kedge.Protocol.Mesh;

namespace Kedge.Node.ControlLink;

/// <summary>
/// How a node becomes part of a network: it makes its keys, asks, waits where somebody has to agree, checks what it is given, and keeps it.
/// Whatever is interrupted is gone on with by the next attempt.
/// </summary>
/// <param name="folder">The node's folder, which exists.</param>
/// <param name="say">Told what is waited for, as sentences.</param>
/// <param name="clock">What time it is.</param>
public sealed class Joining(NodeFolder folder, Action<string> say, TimeProvider clock)
{
    private const int Attempts = 5;
    private static readonly TimeSpan AttemptInterval = TimeSpan.FromSeconds(2);

    /// <summary>How long the controller is waited for where the node could start without it.</summary>
    private static readonly TimeSpan CheckTimeout = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan FirstInquiry = TimeSpan.FromSeconds(1), LongestInquiry = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Joins, or asks for something else than before, or does nothing where the node has joined with these settings already. A node that the
    /// controller does not have any more joins anew where there is a join line: under its keys, unless they were removed and are refused.
    /// </summary>
    /// <param name="line">The join line; null for a node that has joined.</param>
    /// <param name="settings">What is asked for.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="UserError">It cannot be; the message says why and what to do.</exception>
    public async Task<Membership> JoinAsync(JoinLine? line, NodeSettings settings, CancellationToken cancellation)
    {
        Membership? before = Membership.Read(folder);
        if (before is null && line is null)
        {
            throw new UserError(
                $"{folder.InterfaceName} has not joined a network yet. Give the join line with --join-file FILE, by standard input (--join-file -) or in KEDGE_JOIN.");
        }
        if (before is not null && line is not null)
            RefuseOther(before, line);
        if (before is { HasController: false })
            return Keep(before with { Settings = settings });
        settings = UnderInvitedName(line?.Invitation, settings);
        before = RefuseLostIdentity(before, line);
        ControllerAddress[] addresses = Addresses(before, line);
        Way way = await FindWayAsync(before, line, addresses, cancellation);
        using NodeKeys keys = NodeKeys.Open(way.KeyFolder.Keys, settings.PrivateKeyFile);
        bool asksForTheSame = before is not null && !way.IsAnew && AsksForTheSame(before.Settings, settings) && HasSameKey(before, keys);
        bool hasNewProof = before is { Status: Membership.Pending } && line?.Invitation is not null;
        if (asksForTheSame && before!.Status != Membership.Pending && File.Exists(folder.Certificate))
            return Keep((Membership.Read(folder) ?? before).WithControllers([addresses[0].Url.ToString()]) with { Settings = settings });

        // Beside everything else, because it takes a moment; once for the node's life.
        Task<Sha256Digest> rosenpass = Task.Run(() => RosenpassKeys.Open(way.KeyFolder.Keys), cancellation);
        CertificateFile? certificate = before is null || way.IsAnew ? null : CertificateFile.Read(folder.Certificate);
        using var client = new RoamingClient(addresses, certificate?.Node.Der, certificate is null ? null : keys.Identity, clock);
        EnrolmentResult result = asksForTheSame && !hasNewProof
            ? await AskAsync(client, one => one.InquireAsync(keys.Identity, cancellation), cancellation)
            : await AskAsync(client, one => EnrolAsync(one, keys, rosenpass, way.Line, settings, cancellation), cancellation);
        if (way.KeyFolder != folder)
            folder.TakeKeys(way.KeyFolder);
        Membership membership = Keep(ToMembership(addresses[0], keys, settings, before, way.Line, result));
        (membership, result) = await WaitUntilActiveAsync(client, keys, membership, result, cancellation);
        NodeCertificate granted = Use(result, membership, keys, await rosenpass);
        if (way.IsAnew)
            folder.DeleteMap(); // of the node that it was
        KeepLine(way.Line, result.Ephemeral);
        return Keep(membership with { Status = Membership.Active, Name = granted.Name });
    }

    private static ControllerAddress[] Addresses(Membership? before, JoinLine? line)
    {
        IEnumerable<ControllerAddress> known = before?.ControllerAddresses ?? [];
        return [.. (line is null ? known : known.Prepend(ControllerAddress.Of(line))).DistinctBy(address => address.Url)];
    }

    /// <summary>Finds out by which line and which keys the node goes on, where the controller may not have it any more.</summary>
    private async Task<Way> FindWayAsync(Membership? before, JoinLine? line, ControllerAddress[] addresses, CancellationToken cancellation)
    {
        var asItIs = new Way(line, folder, IsAnew: false);
        JoinLine? known = line ?? KeptJoinLine.TryRead(folder);
        if (before is null || (known is null && before.Status != Membership.Removed))
            return asItIs;
        if (await FindEndAsync(before, addresses, cancellation) is not { } end)
            return asItIs;
        // An administrator who removes a node wants it away until a person has it join.
        bool isRefused = end.Reason == RefusalReason.NodeRemoved;
        JoinLine? usable = isRefused ? line : known;
        if (usable?.Token is null && usable?.Invitation is null)
            throw Ended(end);
        if (isRefused && before.Settings.PrivateKeyFile is { } file)
            say($"{file} stays the WireGuard key of this node. If the node was removed because others have the key, make another first.");
        say($"{end.Message} It joins again{(isRefused ? ", with new keys" : "")}.");
        Keep(before with { Status = Membership.Removed, Reason = end.Message });
        return new Way(usable, isRefused ? folder.CreateSuccessor() : folder, IsAnew: true);
    }

    /// <summary>
    /// Finds out whether the controller still has the node. One that cannot be asked keeps nobody from starting with what is known.
    /// </summary>
    /// <returns>How it says that it does not; null where it does, or cannot be asked.</returns>
    private async Task<ControllerException?> FindEndAsync(Membership before, ControllerAddress[] addresses, CancellationToken cancellation)
    {
        using var timeout = new CancellationTokenSource(CheckTimeout, clock);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token);
        using NodeKeys keys = NodeKeys.Open(folder.Keys, before.Settings.PrivateKeyFile);
        using var client = new RoamingClient(addresses, null, null, clock);
        try
        {
            await client.AskAsync(one => one.InquireAsync(keys.Identity, either.Token));
            if (before.Status == Membership.Removed)
                Keep(before with { Status = Membership.Active, Reason = null });
            return null;
        }
        catch (ControllerException exception)
        {
            return exception.Reason.EndsMembership() ? exception : null;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private UserError Ended(ControllerException end) => new($"{end.Message} {Membership.HowToJoinAgain(folder.InterfaceName)}", end);

    private void KeepLine(JoinLine? line, bool isEphemeral)
    {
        try
        {
            KeptJoinLine.Keep(folder, line, isEphemeral);
        }
        catch (LinuxException exception)
        {
            say($"The join line cannot be kept, so this ephemeral node will not come back by itself: {exception.Message}.");
        }
    }

    /// <summary>A name for the node where nobody has given one: the machine's, as a DNS label (RFC 1123 section 2.1).</summary>
    public static string DefaultName(string machine)
    {
        string label = machine.Split('.')[0].ToLowerInvariant();
        string cleaned = string.Concat(label.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '-')).Trim('-');
        return cleaned.Length == 0 ? "node" : cleaned[..Math.Min(cleaned.Length, 63)].TrimEnd('-');
    }

    // The proof is of a name, so another one would not be certified.
    private static NodeSettings UnderInvitedName(Invitation? invitation, NodeSettings settings)
    {
        if (invitation is null || settings.Name == invitation.Name)
            return settings;
        return settings.Name is null
            ? settings with { Name = invitation.Name }
            : throw new UserError(
                $"The invitation in the join line is for '{invitation.Name}', and this node asks to be called '{settings.Name}'. "
                + $"Join with --name {invitation.Name}, or have another invitation made with 'kedge ca invite {settings.Name}'.");
    }

    private void RefuseOther(Membership before, JoinLine line)
    {
        if (before.Network != line.Network.ToString())
        {
            throw new UserError(
                $"This interface is part of another network already, {(before.HasController ? $"of {before.Controller}" : $"'{before.ZoneName}'")}. "
                + $"Leave that one first with 'kedge down --interface {folder.InterfaceName} --leave', or, if its controller is gone for good, "
                + $"give it up with 'kedge down --interface {folder.InterfaceName} --forget'; or join with another --interface.");
        }
    }

    // A certificate is for one key: with another one the node has to be certified anew.
    private bool HasSameKey(Membership before, NodeKeys keys) =>
        before.Status == Membership.Pending || CertificateFile.Read(folder.Certificate)?.Node.WireGuardKey == keys.WireGuardPublicKey;

    private bool IsIdentityOf(Membership membership, NodeKeys keys) => CertificateFile.Read(folder.Certificate) is { } certificate
        ? keys.IsIdentityOf(certificate.Node)
        : (membership.IdentityKeyHash ?? keys.IdentityPublicKey.Hash.ToString()) == keys.IdentityPublicKey.Hash.ToString();

    /// <summary>
    /// The membership, where the identity key is still the one that it was joined with. The controller knows the node by that key: with another
    /// one, and a join line, it joins as another node.
    /// </summary>
    private Membership? RefuseLostIdentity(Membership? before, JoinLine? line)
    {
        if (before is null)
            return null;
        using NodeKeys keys = NodeKeys.Open(folder.Keys, before.Settings.PrivateKeyFile);
        if (IsIdentityOf(before, keys))
            return before;
        if (line is null)
            throw LostIdentity(folder);
        say($"{folder.Keys.IdentityKey} is not the key that this interface joined with, so it joins as another node.");
        return null;
    }

    /// <summary>The error where the identity key is not the one that the interface joined with.</summary>
    internal static UserError LostIdentity(NodeFolder folder) => new(
        $"{folder.Keys.IdentityKey} is not the key that {folder.InterfaceName} joined with: {folder.Certificate} is another key's. "
        + "Restore both from one backup; or join again, as another node: kedge up --join-file FILE --name NAME");

    private static bool AsksForTheSame(NodeSettings before, NodeSettings now) =>
        before.Name == now.Name
        && before.Zone == now.Zone
        && before.Ephemeral == now.Ephemeral
        && before.RequestedAddresses.SequenceEqual(now.RequestedAddresses)
        && before.ChildPrefixes.SequenceEqual(now.ChildPrefixes);

    private static async Task<EnrolmentResult> EnrolAsync(
        ControllerClient client, NodeKeys keys, Task<Sha256Digest> rosenpass, JoinLine? line, NodeSettings settings, CancellationToken cancellation)
    {
        var request = new EnrolmentRequest
        {
            Name = settings.Name ?? DefaultName(Environment.MachineName),
            IsDefaultName = settings.Name is null,
            Zone = settings.Zone,
            IdentityKey = keys.IdentityPublicKey.ToString(),
            WireGuardKey = keys.WireGuardPublicKey.ToString(),
            RosenpassKeyHash = Convert.ToBase64String((await rosenpass).ToArray()),
            RequestedAddresses = settings.RequestedAddresses,
            ChildPrefixes = settings.ChildPrefixes,
            Ephemeral = settings.Ephemeral,
        };
        // The invitation itself stays here: the controller must not be able to vouch for keys.
        if (line?.Invitation is { } invitation)
            request = request with { InvitationProof = invitation.Prove(TranscriptOf(line.Network, request)) };
        byte[] wireGuardKey = keys.WireGuardKey.ToArray();
        try
        {
            return await client.EnrolAsync(request, line?.Token, keys.Identity, wireGuardKey, cancellation);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(wireGuardKey);
        }
    }

    private static EnrolmentTranscript TranscriptOf(Sha256Digest network, EnrolmentRequest request) => EnrolmentTranscript.OfInvited(
        network.ToArray(), request.Name, request.IdentityKey, request.WireGuardKey, request.RosenpassKeyHash, request.ChildPrefixes);

    /// <summary>
    /// Asks a few times, because an answer may be lost, and to ask again does no harm. A controller that is asked too often is asked later,
    /// however often it says so.
    /// </summary>
    private async Task<EnrolmentResult> AskAsync(
        RoamingClient client, Func<ControllerClient, Task<EnrolmentResult>> ask, CancellationToken cancellation)
    {
        bool hasSaidSo = false;
        for (int attempt = 1; ;)
        {
            try
            {
                return await client.AskAsync(ask);
            }
            catch (ControllerException exception) when (exception.Status == HttpStatusCode.TooManyRequests)
            {
                if (!hasSaidSo)
                    say($"{exception.Message} Waiting for that.");
                hasSaidSo = true;
                await Task.Delay(exception.RetryAfter ?? AttemptInterval, clock, cancellation);
            }
            catch (ControllerException exception) when (exception.IsRefusal || attempt == Attempts)
            {
                throw exception.Reason.EndsMembership() && File.Exists(folder.Membership) ? Ended(exception) : exception.ToUserError();
            }
            catch (ControllerException exception)
            {
                if (attempt++ == 1)
                    say($"{exception.Message} Trying again.");
                await Task.Delay(AttemptInterval, clock, cancellation);
            }
        }
    }

    private async Task<(Membership, EnrolmentResult)> WaitUntilActiveAsync(
        RoamingClient client, NodeKeys keys, Membership membership, EnrolmentResult result, CancellationToken cancellation)
    {
        string? said = null;
        TimeSpan interval = FirstInquiry;
        while (result.Status != Membership.Active || result.Certificate is null)
        {
            string reason = result.Reason ?? "it has to be certified";
            if (reason != said)
                say($"Node '{membership.Name}' of zone '{result.ZoneName}' is registered and waits, with identity key {membership.IdentityKeyHash}: {reason}");
            said = reason;
            await Task.Delay(interval, clock, cancellation);
            interval = TimeSpan.FromTicks(Math.Min(interval.Ticks * 2, LongestInquiry.Ticks));
            try
            {
                result = await client.AskAsync(one => one.InquireAsync(keys.Identity, cancellation));
                membership = Keep(ToMembership(membership.ControllerAddress, keys, membership.Settings, membership, null, result));
            }
            catch (ControllerException exception) when (!exception.IsRefusal)
            {
                if (said != exception.Message)
                    say($"{exception.Message} Trying again.");
                said = exception.Message;
            }
            catch (ControllerException exception)
            {
                throw exception.Reason.EndsMembership() ? Ended(exception) : exception.ToUserError();
            }
        }
        return (membership, result);
    }

    private static Membership ToMembership(
        ControllerAddress controller, NodeKeys keys, NodeSettings settings, Membership? before, JoinLine? line, EnrolmentResult result)
    {
        var membership = new Membership
        {
            Controller = before?.Controller ?? controller.Url.ToString(),
            OtherControllers = before?.OtherControllers,
            Token = line?.TokenId ?? before?.Token,
            Network = controller.Network.ToString(),
            Pin = controller.Pin.ToString(),
            OtherPins = [.. controller.OtherPins.Select(pin => pin.ToString())],
            Settings = settings,
            Status = Membership.Pending,
            IdentityKeyHash = keys.IdentityPublicKey.Hash.ToString(),
            Reason = result.Reason,
            Name = result.Name,
            NodeId = result.NodeId,
            ZoneId = result.ZoneId,
            ZoneName = result.ZoneName,
            ZonePrefixes = result.ZonePrefixes,
            Addresses = result.Addresses,
            ChildPrefixes = result.ChildPrefixes,
        };
        return membership.WithControllers([controller.Url.ToString()]);
    }

    /// <summary>Checks the certificate that was given, as every other node will, and keeps it.</summary>
    private NodeCertificate Use(EnrolmentResult result, Membership membership, NodeKeys keys, Sha256Digest rosenpass)
    {
        NodeCertificate? certificate = null;
        byte[][] authorities = [];
        CertificateRefusal? refusal;
        var trust = ZoneTrust.Read(
            folder, Sha256Digest.Parse(membership.Network), new VerifiedCertificates(), (path, reason) => say($"{path} is not used as a whole. {reason}"));
        try
        {
            authorities = [.. result.Authorities.Select(Convert.FromBase64String)];
            refusal = NodeCertificate.TryParse(Convert.FromBase64String(result.Certificate!), out certificate, out CertificateRefusal unreadable)
                ? certificate.CheckKeys(keys.IdentityPublicKey, keys.WireGuardPublicKey, rosenpass)
                    ?? trust.With(new TrustResource(authorities, [])).Verify(certificate, membership.ZoneId, clock.GetUtcNow())
                : unreadable;
        }
        catch (FormatException)
        {
            refusal = CertificateRefusal.Malformed;
        }
        if (refusal is { } reason)
            throw new UserError($"The controller has sent a certificate that no node of the network would accept. {reason.Sentence()}");
        try
        {
            trust.Merge(new TrustResource(authorities, []));
            trust.Save();
            new CertificateFile(certificate!, authorities).Write(folder.Certificate);
            return certificate!;
        }
        catch (LinuxException e)
        {
            throw new UserError($"The certificate cannot be kept: {e.Message}.", e);
        }
    }

    private Membership Keep(Membership membership)
    {
        try
        {
            membership.Write(folder);
            return membership;
        }
        catch (LinuxException e)
        {
            throw new UserError($"{folder.Membership} cannot be written: {e.Message}.", e);
        }
    }

    /// <summary>How a node goes on.</summary>
    /// <param name="Line">The join line to use; null for none.</param>
    /// <param name="KeyFolder">The folder of the keys to use.</param>
    /// <param name="IsAnew">Whether it is another node from then on.</param>
    private sealed record Way(JoinLine? Line, NodeFolder KeyFolder, bool IsAnew);
}
