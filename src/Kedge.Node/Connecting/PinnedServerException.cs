using System.Security.Authentication;

namespace Kedge.Node.Connecting;

/// <summary>
/// A server that is not the pinned one, or whose certificate does not hold; the message says so in sentences for a person. The handler of
/// <see cref="PinnedServer"/> throws it inside of its <see cref="System.Net.Http.HttpRequestException"/>.
/// </summary>
/// <param name="message">What is wrong, and what to check.</param>
public sealed class PinnedServerException(string message) : AuthenticationException(message);
